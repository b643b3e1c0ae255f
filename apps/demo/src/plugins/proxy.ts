import { wsProxy } from '@fastify-airlock/proxy'
import fp from 'fastify-plugin'

/** What connects WebSockets with those of other systems. */
export const proxy = fp(async fastify => {
  await fastify.register(wsProxy)
}, { name: 'demo-proxy', dependencies: ['demo-websocket'] })
