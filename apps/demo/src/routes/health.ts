import type { FastifyPluginAsync } from 'fastify'

/** For load balancers and the curious. */
export const health: FastifyPluginAsync = async fastify => {
  fastify.get('/healthz', { logLevel: 'warn' }, async () => ({ status: 'ok', connections: fastify.wsHub.count() }))
}
