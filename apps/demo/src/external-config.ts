import { type Client, demoClient } from '@fastify-airlock/authority'
import { InvalidConfig } from './errors.js'

/** Where the external system that owns tokens is. */
export interface AuthorityUrls {
  /** OAuth 2.0 Token Introspection (RFC 7662). */
  introspection: string
  /** Gives a token for a name and a password (RFC 6749, section 4.3). */
  token: string
  /** OAuth 2.0 Token Revocation (RFC 7009). */
  revocation: string
}

/** Where the system is that browsers reach through the demo only. */
export interface UpstreamUrls {
  /** Its WebSockets. */
  socket: string
  /** Its HTTP API. */
  api: string
}

/** The part of the configuration that is about other systems. */
export interface ExternalConfig {
  /** `undefined` where nobody named one: `server.ts` then starts the stand-in. */
  authority: AuthorityUrls | undefined
  /** Who we are at the authority. */
  authorityClient: Client
  /** `undefined` where nobody named one: `server.ts` then starts the stand-in. */
  upstream: UpstreamUrls | undefined
  /** What the upstream wants as `X-Api-Key`; `undefined` where it may be any, for the stand-in. */
  upstreamToken: string | undefined
}

/** The environment variables of that part. */
export interface ExternalEnvironment {
  INTROSPECTION_URL: string
  INTROSPECTION_CLIENT_ID: string
  INTROSPECTION_CLIENT_SECRET: string
  EXTERNAL_TOKEN_URL: string
  EXTERNAL_REVOCATION_URL: string
  UPSTREAM_URL: string
  UPSTREAM_API_URL: string
  UPSTREAM_TOKEN: string
}

// Passwords and tokens go there: in the clear on this machine only.
const AUTHORITY = '^(https://.+|http://(localhost|127(\\.\\d+){3}|\\[::1\\])(:\\d+)?(/.*)?)?$'

/** Those variables as properties of a JSON schema. */
export const externalProperties = {
  INTROSPECTION_URL: { type: 'string', default: '', pattern: AUTHORITY, description: 'Token introspection (RFC 7662) of the external authority; empty: a stand-in is started' },
  INTROSPECTION_CLIENT_ID: { type: 'string', default: '', description: 'Who we are at the authority' },
  INTROSPECTION_CLIENT_SECRET: { type: 'string', default: '', description: 'Our secret at the authority' },
  EXTERNAL_TOKEN_URL: { type: 'string', default: '', pattern: AUTHORITY, description: 'Where the authority gives tokens; empty: token next to INTROSPECTION_URL' },
  EXTERNAL_REVOCATION_URL: { type: 'string', default: '', pattern: AUTHORITY, description: 'Where the authority revokes tokens; empty: revoke next to INTROSPECTION_URL' },
  UPSTREAM_URL: { type: 'string', default: '', pattern: '^(wss?://.+)?$', description: 'WebSocket that /ws/upstream leads to; empty: a stand-in is started' },
  UPSTREAM_API_URL: { type: 'string', default: '', pattern: '^(https?://.+)?$', description: 'HTTP API that /api leads to; empty: the host of UPSTREAM_URL' },
  UPSTREAM_TOKEN: { type: 'string', default: '', pattern: '^[\\x21-\\x7e]*$', description: 'What the upstream gets as X-Api-Key' }
}

/** What is of no use alone. */
const NEEDS: ReadonlyArray<[variable: keyof ExternalEnvironment, needed: keyof ExternalEnvironment]> = [
  ['INTROSPECTION_URL', 'INTROSPECTION_CLIENT_ID'],
  ['INTROSPECTION_CLIENT_ID', 'INTROSPECTION_CLIENT_SECRET'],
  ['INTROSPECTION_CLIENT_SECRET', 'INTROSPECTION_CLIENT_ID'],
  ['EXTERNAL_TOKEN_URL', 'INTROSPECTION_URL'],
  ['EXTERNAL_REVOCATION_URL', 'INTROSPECTION_URL'],
  ['UPSTREAM_URL', 'UPSTREAM_TOKEN'],
  ['UPSTREAM_API_URL', 'UPSTREAM_URL']
]

/**
 * Reads that part.
 *
 * @throws WSA_DEMO_ERR_CONFIG
 */
export function readExternal (env: ExternalEnvironment): ExternalConfig {
  for (const [variable, url] of Object.entries(env)) {
    if (variable.endsWith('_URL') && variable in externalProperties && url !== '' && !URL.canParse(url)) {
      throw new InvalidConfig(`${variable} must be a URL`)
    }
  }
  const { INTROSPECTION_URL, INTROSPECTION_CLIENT_ID: id, INTROSPECTION_CLIENT_SECRET: secret, UPSTREAM_URL, UPSTREAM_TOKEN } = env
  for (const [variable, needed] of NEEDS) {
    if (env[variable] !== '' && env[needed] === '') throw new InvalidConfig(`${variable} is set, ${needed} is not`)
  }
  return {
    authority: INTROSPECTION_URL === '' ? undefined : authorityUrls(INTROSPECTION_URL, env.EXTERNAL_TOKEN_URL, env.EXTERNAL_REVOCATION_URL),
    authorityClient: id === '' ? demoClient : { id, secret },
    upstream: UPSTREAM_URL === '' ? undefined : upstreamUrls(UPSTREAM_URL, env.UPSTREAM_API_URL),
    upstreamToken: UPSTREAM_TOKEN || undefined
  }
}

/** What is not given is next to the introspection endpoint. */
export function authorityUrls (introspection: string, token = '', revocation = ''): AuthorityUrls {
  return {
    introspection,
    token: token || new URL('token', introspection).href,
    revocation: revocation || new URL('revoke', introspection).href
  }
}

/** What is not given is the root of the same host. */
export function upstreamUrls (socket: string, api = ''): UpstreamUrls {
  return { socket, api: api || new URL('/', socket.replace('ws', 'http')).href }
}
