import type { FastifyPluginAsync } from 'fastify'

/** The topic that every kiosk joins. */
export const KIOSK_TOPIC = 'kiosk'

/** Resets all kiosks at once. */
export const kiosk: FastifyPluginAsync = async fastify => {
  fastify.post('/kiosk/reset', { onRequest: [fastify.authenticate, fastify.requireAdmin] }, async (_request, reply) => {
    const delivered = fastify.wsHub.publish(KIOSK_TOPIC, { type: 'reset' })
    return reply.code(202).send({ delivered })
  })
}
