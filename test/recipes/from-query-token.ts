import { jwt, ticket } from '@fastify-airlock/guard'
import type { FastifyInstance } from 'fastify'

/**
 * Takes tickets, and for a while what pages of before send: a JWT as `?token=`. Once nobody comes with one any more, leave the
 * second authenticator out.
 *
 * @param isOver whether `?token=` is refused
 */
export function socketRoute (app: FastifyInstance, isOver: () => boolean): void {
  const before = jwt({ query: 'token', header: false, subprotocol: false, isRevoked: isOver })
  const preValidation = app.wsGuard({ authenticate: [ticket(), before] })
  app.get('/ws', { websocket: true, preValidation }, (socket, request) => {
    if (new URL(request.url, 'ws://x').searchParams.has('token')) request.log.warn({ user: request.wsIdentity?.subject }, 'a JWT in the URL')
    socket.on('message', text => socket.send(`${request.wsIdentity?.subject}: ${String(text)}`))
  })
}
