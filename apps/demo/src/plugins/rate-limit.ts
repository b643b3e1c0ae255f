import { addressKey } from '@fastify-airlock/core'
import rateLimitPlugin from '@fastify/rate-limit'
import fp from 'fastify-plugin'
import { TooManyRequests } from '../errors.js'

/** Rate limits for the routes that configure one. Registered after WebSockets, or a refused upgrade would leak its socket. */
export const rateLimit = fp(async fastify => {
  await fastify.register(rateLimitPlugin, {
    global: false,
    keyGenerator: ({ ip }) => addressKey(ip),
    // Over a Unix socket, nobody has an address, and nothing is counted by one.
    allowList: (_request, key) => key === '',
    errorResponseBuilder: (_request, { after }) => new TooManyRequests(after)
  })
}, { name: 'demo-rate-limit', dependencies: ['demo-websocket'] })
