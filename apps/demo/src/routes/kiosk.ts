import type { FastifyPluginAsync } from 'fastify'
import { KIOSK_TOPIC, RESET_TOPIC } from '../kiosk-topics.js'

/** Resets all kiosks at once, and those that are away when they are back. */
export const kiosk: FastifyPluginAsync = async fastify => {
  fastify.post('/kiosk/reset', { onRequest: [fastify.authenticate, fastify.requireAdmin] }, async (_request, reply) => {
    const reset = { type: 'reset', at: Date.now() }
    // Without its store: those who are there are reset, and the answer tells that nobody else will be.
    const { position = null } = await fastify.wsTopics.publish(RESET_TOPIC, reset)
      .catch(async () => await fastify.wsTopics.publish(RESET_TOPIC, reset, { history: false }))
    const delivered = fastify.wsHub.publish(KIOSK_TOPIC, { type: 'reset' })
    return reply.code(202).send({ delivered, position })
  })
}
