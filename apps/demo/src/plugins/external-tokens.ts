import { wsIntrospect } from '@fastify-airlock/introspect'
import fp from 'fastify-plugin'
import type { DemoOptions } from '../config.js'
import type { AuthorityUrls } from '../external-config.js'

/** Names of the cookie and of the query parameter that hold a token of the authority. */
export const EXTERNAL_COOKIE = 'ext_token'
export const EXTERNAL_PARAMETER = 'token'

/** Authentication with tokens of an external authority. */
export const externalTokens = fp<DemoOptions>(async (fastify, { config }) => {
  const { introspection } = config.authority as AuthorityUrls
  const { id, secret } = config.authorityClient
  await fastify.register(wsIntrospect, {
    endpoint: introspection,
    clientId: id,
    clientSecret: secret,
    cookie: EXTERNAL_COOKIE,
    query: EXTERNAL_PARAMETER
  })
}, { name: 'demo-external-tokens', dependencies: ['demo-websocket'] })
