import type { FastifyPluginAsync } from 'fastify'

/** For load balancers and the curious. A node without its bus serves its own clients, and so is fit for use. */
export const health: FastifyPluginAsync = async fastify => {
  fastify.get('/healthz', { logLevel: 'warn' }, async () => {
    const { status, connections, bus } = fastify.wsHub.health()
    return { status, connections, bus }
  })
}
