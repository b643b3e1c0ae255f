import { wsIntrospect } from '@fastify-airlock/introspect'
import fp from 'fastify-plugin'
import type { DemoConfig, DemoOptions } from '../config.js'
import type { AuthorityUrls } from '../external-config.js'

/** Name of the query parameter that holds a token of the authority. */
const EXTERNAL_PARAMETER = 'token'

/** Name of the cookie that holds a token of the authority. With TLS nobody but this host can set it. */
export function externalCookieOf ({ tls }: Pick<DemoConfig, 'tls'>): string {
  return tls === undefined ? 'ext_token' : '__Host-ext_token'
}

/** Authentication with tokens of an external authority. */
export const externalTokens = fp<DemoOptions>(async (fastify, { config }) => {
  const { introspection } = config.authority as AuthorityUrls
  const { id, secret } = config.authorityClient
  await fastify.register(wsIntrospect, {
    endpoint: introspection,
    clientId: id,
    clientSecret: secret,
    cookie: externalCookieOf(config),
    query: EXTERNAL_PARAMETER
  })
}, { name: 'demo-external-tokens', dependencies: ['demo-websocket'] })
