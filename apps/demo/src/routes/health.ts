import type { FastifyPluginAsync } from 'fastify'

/** `GET /healthz`, for load balancers. 200 even if the bus is down, since the node still serves its own clients. */
export const health: FastifyPluginAsync = async fastify => {
  fastify.get('/healthz', { logLevel: 'warn' }, async () => {
    const { status, connections, bus } = fastify.wsHub.health()
    return { status, connections, bus }
  })
}
