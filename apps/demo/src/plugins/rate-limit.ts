import rateLimitPlugin from '@fastify/rate-limit'
import fp from 'fastify-plugin'
import { TooManyRequests } from '../errors.js'

/** Rate limits for the routes that configure one. Registered after WebSockets, or a refused upgrade would leak its socket. */
export const rateLimit = fp(async fastify => {
  await fastify.register(rateLimitPlugin, {
    global: false,
    errorResponseBuilder: (_request, { after }) => new TooManyRequests(after)
  })
}, { name: 'demo-rate-limit', dependencies: ['demo-websocket'] })
