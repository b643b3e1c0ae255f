import { createOriginCheck, schemeOf } from '@fastify-airlock/guard'
import type { onRequestHookHandler } from 'fastify'
import fp from 'fastify-plugin'
import type { DemoOptions } from '../config.js'
import { ForeignOrigin } from '../errors.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** A hook that answers 403 unless the request comes from the demo's own page, from an allowed one, or from no page. */
    requireOrigin: onRequestHookHandler
  }
}

/** Methods that change nothing (RFC 9110, section 9.2.1). */
const SAFE = new Set(['GET', 'HEAD', 'OPTIONS'])

/**
 * Keeps pages of other origins from changing anything. `SameSite` alone does not: cookies ignore the port, so
 * `localhost:4000` is the same site as `localhost:3000`.
 */
export const origin = fp<DemoOptions>(async (fastify, { config }) => {
  const isOwn = createOriginCheck()
  const isListed = createOriginCheck(config.allowedOrigins)
  fastify.decorate('requireOrigin', (request, _reply, done) => {
    const { headers: { origin }, host } = request
    done(origin === undefined || isOwn(origin, host, schemeOf(request)) || isListed(origin, host, schemeOf(request)) ? undefined : new ForeignOrigin())
  })
  fastify.addHook('onRequest', function (request, reply, done) {
    if (SAFE.has(request.method)) done()
    else fastify.requireOrigin.call(this, request, reply, done)
  })
}, { name: 'demo-origin', dependencies: ['demo-websocket'] })
