import fp from 'fastify-plugin'
import type { DemoOptions } from '../config.js'
import { createMetrics } from '../metrics.js'

/** `GET /metrics`: metrics in the text format of Prometheus. Everyone who can reach the route can read them. */
export const metricsRoute = fp<DemoOptions>(async (fastify, { config }) => {
  if (!config.metrics) return
  const { wsGuard, wsHub, wsHeartbeat, websocketServer } = fastify
  const { registry, countResponse, countError, close } = createMetrics({
    pending: () => wsGuard.pending,
    sockets: () => websocketServer.clients.size,
    stats: wsHub.stats,
    heartbeat: wsHeartbeat,
    isBusUp: fastify.bus === null ? null : () => wsHub.health().bus === 'up'
  })
  fastify.addHook('onClose', async () => close())
  fastify.addHook('onResponse', async (_request, reply) => countResponse(reply.statusCode))
  fastify.addHook('onError', async (_request, _reply, error) => countError(error.code))

  fastify.get('/metrics', { logLevel: 'warn' }, async (_request, reply) => {
    reply.type(registry.contentType).header('cache-control', 'no-store')
    return await registry.metrics()
  })
}, { name: 'demo-metrics', dependencies: ['demo-bus', 'demo-websocket'] })
