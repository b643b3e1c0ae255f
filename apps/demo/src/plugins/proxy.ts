import { wsProxy } from '@fastify-airlock/proxy'
import fp from 'fastify-plugin'

/** Connects WebSockets of clients with those of other systems. */
export const proxy = fp(async fastify => {
  await fastify.register(wsProxy)
}, { name: 'demo-proxy', dependencies: ['demo-websocket'] })
