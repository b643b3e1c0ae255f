import type { FastifyPluginAsync } from 'fastify'

const body = {
  type: 'object',
  required: ['data'],
  properties: { data: {} }
}

/** Sends a message to every authenticated socket. */
export const broadcast: FastifyPluginAsync = async fastify => {
  fastify.post<{ Body: { data: unknown } }>('/broadcast', {
    schema: { body },
    onRequest: [fastify.authenticate, fastify.requireAdmin]
  }, async (request, reply) => {
    const delivered = fastify.wsHub.broadcast({ type: 'broadcast', data: request.body.data })
    return reply.code(202).send({ delivered })
  })
}
