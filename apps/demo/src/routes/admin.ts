import type { FastifyPluginAsync } from 'fastify'
import type { DemoOptions } from '../config.js'
import { endSessionsOf } from '../end-sessions.js'

const body = {
  type: 'object',
  required: ['user'],
  properties: { user: { type: 'string', minLength: 1, maxLength: 256 } }
}

/** Ends all sessions of a user, with their sockets and tickets, on every node. The user may log in again. */
export const admin: FastifyPluginAsync<DemoOptions> = async (fastify, { config }) => {
  fastify.post<{ Body: { user: string } }>('/admin/disconnect', {
    schema: { body },
    onRequest: [fastify.authenticate, fastify.requireAdmin]
  }, async (request, reply) => {
    const disconnected = await endSessionsOf(fastify, request.body.user, config.sessionTtl)
    return reply.code(202).send({ disconnected })
  })
}
