import { createSemicolonCheck, decorateIdentity, refuseTwice, withoutFastifyOptions } from '@fastify-airlock/core'
import fp from 'fastify-plugin'
import { Introspect } from './introspect.js'
import { parseIntrospectOptions, type WsIntrospectOptions } from './options.js'
import { findOrderHub } from './recheck.js'

/**
 * Asks an external authority about tokens, for HTTP requests, upgrades and open connections alike. Decorates the
 * instance with `wsIntrospect`.
 *
 * @throws {@link WSA_INTROSPECT_ERR_OPTION} when an option is wrong
 *
 * @example
 * await app.register(wsIntrospect, {
 *   endpoint: 'https://id.example.com/introspect', clientId: 'chat', clientSecret: process.env.SECRET, cookie: 'ext_token'
 * })
 * app.get('/me', { preHandler: app.wsIntrospect.authenticate }, async request => request.wsIdentity)
 */
export const wsIntrospect = fp<WsIntrospectOptions>(async (fastify, options) => {
  refuseTwice(fastify, 'wsIntrospect', 'introspect')
  const introspect = new Introspect(parseIntrospectOptions(withoutFastifyOptions(options, fastify)), fastify.log, createSemicolonCheck(fastify), fastify.server)
  decorateIdentity(fastify)
  fastify.decorate('wsIntrospect', introspect)
  fastify.addHook('onReady', async () => {
    // Only now, since the hub may be registered later.
    const hub = findOrderHub(fastify)
    if (hub !== null) introspect.connect(hub)
  })
  fastify.addHook('onClose', async () => { await introspect.close() })
}, { name: '@fastify-airlock/introspect', fastify: '5.x' })
