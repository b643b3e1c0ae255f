import type { FastifyPluginAsync } from 'fastify'

const body = {
  type: 'object',
  required: ['user'],
  properties: { user: { type: 'string', minLength: 1, maxLength: 256 } }
}

/** Closes all sockets of a user, on every node. The user may connect again. */
export const admin: FastifyPluginAsync = async fastify => {
  fastify.post<{ Body: { user: string } }>('/admin/disconnect', {
    schema: { body },
    onRequest: [fastify.authenticate, fastify.requireAdmin]
  }, async (request, reply) => {
    const disconnected = fastify.wsHub.disconnect(request.body.user)
    return reply.code(202).send({ disconnected })
  })
}
