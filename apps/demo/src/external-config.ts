import { type Client, demoClient } from '@fastify-airlock/authority'
import { InvalidConfig } from './errors.js'
import type { Variable } from './variable.js'

/** URLs of the external system that owns tokens. */
export interface AuthorityUrls {
  /** OAuth 2.0 Token Introspection (RFC 7662). */
  introspection: string
  /** Issues a token for a name and a password (RFC 6749, section 4.3). */
  token: string
  /** OAuth 2.0 Token Revocation (RFC 7009). */
  revocation: string
}

/** URLs of the system that browsers reach only through the demo. */
export interface UpstreamUrls {
  /** Its WebSockets. */
  socket: string
  /** Its HTTP API. */
  api: string
}

/** The settings of other systems. */
export interface ExternalConfig {
  /** `undefined` if none is configured: `server.ts` then starts the stand-in. */
  authority: AuthorityUrls | undefined
  /** Our client at the authority. */
  authorityClient: Client
  /** `undefined` if none is configured: `server.ts` then starts the stand-in. */
  upstream: UpstreamUrls | undefined
  /** What the upstream expects as `X-Api-Key`; `undefined` if any will do, for the stand-in. */
  upstreamToken: string | undefined
}

// Passwords and tokens go there, so unencrypted on this machine only.
const AUTHORITY = '^(https://.+|http://(localhost|127(\\.\\d+){3}|\\[::1\\])(:\\d+)?(/.*)?)?$'

/** The environment variables of those settings. */
export const externalVariables = {
  INTROSPECTION_URL: { type: 'string', default: '', fallback: 'a stand-in on a free port, whose client is `airlock-demo`', example: 'https://id.example.com/oauth2/introspect', pattern: AUTHORITY, description: 'Token introspection (RFC 7662) of the external authority: `https://`, or `http://` on this machine.' },
  INTROSPECTION_CLIENT_ID: { type: 'string', default: '', fallback: 'the client of the stand-in', description: 'Our client id at the authority (HTTP Basic); needed with `INTROSPECTION_URL`.' },
  INTROSPECTION_CLIENT_SECRET: { type: 'string', default: '', fallback: 'the secret of the stand-in', description: 'Our client secret at the authority; needed with `INTROSPECTION_URL`.' },
  EXTERNAL_TOKEN_URL: { type: 'string', default: '', fallback: '`token` next to `INTROSPECTION_URL`', pattern: AUTHORITY, description: 'Where the authority issues tokens for passwords.' },
  EXTERNAL_REVOCATION_URL: { type: 'string', default: '', fallback: '`revoke` next to `INTROSPECTION_URL`', pattern: AUTHORITY, description: 'Where the authority revokes tokens (RFC 7009).' },
  UPSTREAM_URL: { type: 'string', default: '', fallback: 'a stand-in on a free port', example: 'wss://feed.example.com/ws', pattern: '^(wss?://.+)?$', description: 'WebSocket of another system that `/ws/upstream` leads to: `ws://` or `wss://`.' },
  UPSTREAM_API_URL: { type: 'string', default: '', fallback: 'the host of `UPSTREAM_URL`', pattern: '^(https?://.+)?$', description: 'HTTP API of that system, which `/api` leads to.' },
  UPSTREAM_TOKEN: { type: 'string', default: '', fallback: 'a random key, for the stand-in', pattern: '^[\\x21-\\x7e]*$', description: 'Key that the upstream gets as `X-Api-Key`; needed with `UPSTREAM_URL`.' }
} satisfies Record<string, Variable>

type ExternalEnvironment = Record<keyof typeof externalVariables, string>

/** Variables that are of no use without another. */
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
 * Reads the settings of other systems.
 *
 * @throws {@link InvalidConfig} when a variable cannot be used, or misses another
 */
export function readExternal (env: ExternalEnvironment): ExternalConfig {
  for (const [variable, url] of Object.entries(env)) {
    if (variable.endsWith('_URL') && variable in externalVariables && url !== '' && !URL.canParse(url)) {
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

/** Completes the URLs of an authority: what is empty is next to the introspection endpoint. */
export function authorityUrls (introspection: string, token = '', revocation = ''): AuthorityUrls {
  return {
    introspection,
    token: token || new URL('token', introspection).href,
    revocation: revocation || new URL('revoke', introspection).href
  }
}

/** Completes the URLs of an upstream: an empty `api` is the root of the same host. */
export function upstreamUrls (socket: string, api = ''): UpstreamUrls {
  return { socket, api: api || new URL('/', socket.replace('ws', 'http')).href }
}
