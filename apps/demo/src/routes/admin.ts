import type { FastifyPluginAsync } from 'fastify'

const body = {
  type: 'object',
  required: ['user'],
  properties: { user: { type: 'string', minLength: 1, maxLength: 256 } }
}

/** Ends all sessions of a user, with their sockets and tickets, on every node. The user may log in again. */
export const admin: FastifyPluginAsync = async fastify => {
  fastify.post<{ Body: { user: string } }>('/admin/disconnect', {
    schema: { body },
    onRequest: [fastify.authenticate, fastify.requireAdmin]
  }, async (request, reply) => {
    const disconnected = await fastify.endSessionsOf(request.body.user)
    return reply.code(202).send({ disconnected })
  })
}
