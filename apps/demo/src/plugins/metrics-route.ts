import { createMetrics } from '@fastify-airlock/metrics'
import fp from 'fastify-plugin'
import { collectDefaultMetrics, Registry } from 'prom-client'
import type { DemoOptions } from '../config.js'

// Once per process: prom-client cannot remove the observers of its default metrics.
let processMetrics: Registry | undefined

function createProcessMetrics (): Registry {
  const register = new Registry()
  collectDefaultMetrics({ register })
  return register
}

/** `GET /metrics`: metrics in the text format of Prometheus. Everyone who can reach the route can read them. */
export const metricsRoute = fp<DemoOptions>(async (fastify, { config }) => {
  if (!config.metrics) return
  const { registry: own, countResponse, countError, close } = createMetrics(fastify)
  const registry = Registry.merge([own, processMetrics ??= createProcessMetrics()])
  fastify.addHook('onClose', async () => close())
  fastify.addHook('onResponse', async (_request, reply) => countResponse(reply.statusCode))
  fastify.addHook('onError', async (_request, _reply, error) => countError(error.code))

  fastify.get('/metrics', { logLevel: 'warn' }, async (_request, reply) => {
    reply.type(registry.contentType).header('cache-control', 'no-store')
    return await registry.metrics()
  })
}, { name: 'demo-metrics', dependencies: ['demo-bus', 'demo-websocket'] })
