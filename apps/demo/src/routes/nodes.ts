import type { FastifyPluginAsync } from 'fastify'

/** How long a node may take to answer, in milliseconds. One that was killed is known for a while. */
const PATIENCE_MS = 3_000

/** `GET /nodes`: the nodes that are there, and how many connections each has. */
export const nodes: FastifyPluginAsync = async fastify => {
  fastify.get('/nodes', { onRequest: fastify.authenticate }, async (_request, reply) => {
    reply.header('cache-control', 'no-store')
    const found = await fastify.wsHub.nodes({ timeout: PATIENCE_MS })
    return found
      .map(({ id, own, connections, draining }) => ({ name: fastify.nameOf(id), own, connections, draining }))
      .sort((a, b) => a.name < b.name ? -1 : 1)
  })
}
