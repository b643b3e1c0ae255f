import { parseOptions, turnstileOf } from '@fastify-airlock/core'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { WSA_TICKET_ERR_OPTION } from './errors.js'
import { ticketOptions } from './options.js'
import { ticketRoute } from './route.js'
import { Tickets } from './tickets.js'
import type { WsTicketsOptions } from './types.js'

/**
 * Decorates the server with `wsTickets` and declares the route that issues tickets.
 *
 * @example
 * await app.register(wsTickets)
 * const { ticket } = await app.wsTickets.issue('alice')
 * await app.wsTickets.redeem(ticket) // { subject: 'alice', claims: {}, expiresAt: … }
 *
 * @throws `WSA_TICKET_ERR_OPTION`
 */
export const wsTickets = fp<WsTicketsOptions>(async (fastify: FastifyInstance, given: WsTicketsOptions) => {
  const options = parseOptions(ticketOptions, given, WSA_TICKET_ERR_OPTION)
  const tickets = new Tickets(options, turnstileOf(fastify.server))
  fastify.decorate('wsTickets', tickets)

  // A server that starts while its database is away shall start: tickets are refused until the database is back.
  fastify.addHook('onReady', async () => {
    await tickets.ready(fastify.log).catch((error: unknown) => {
      fastify.log.warn({ err: error }, 'The ticket store is not ready: tickets are refused until it answers')
    })
  })
  fastify.addHook('onClose', () => tickets.close())

  const { route, prefix } = options
  if (route !== false) {
    await fastify.register(scope => ticketRoute(scope, { tickets, options, route }), { prefix })
  }
}, { name: '@fastify-airlock/ticket', fastify: '5.x' })
