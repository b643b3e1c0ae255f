import { Turn, turnstileOf } from '@fastify-airlock/core'
import type { FastifyInstance, onRequestHookHandler } from 'fastify'
import { WSA_TICKET_ERR_BUSY } from './errors.js'

/** Longest time that a request waits for its turn, in milliseconds. Clients give up at about this time. */
const PATIENCE = 10_000

/**
 * Makes the hook that admits requests for tickets one by one, in the order of arrival, when more arrive than one turn of
 * the event loop has time for.
 *
 * @param now a monotonic clock, in milliseconds
 */
export function takeTurns ({ server }: FastifyInstance, now = (): number => performance.now()): onRequestHookHandler {
  const turnstile = turnstileOf(server)
  return (request, reply, done) => {
    const arrived = now()
    turnstile.enter(Turn.TICKET, () => {
      // The client has left and would not get the ticket.
      if (request.socket.destroyed) reply.hijack()
      else if (now() - arrived > PATIENCE) done(new WSA_TICKET_ERR_BUSY())
      else done()
    })
  }
}
