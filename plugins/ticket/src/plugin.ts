import { logError, parseOptions, recentOrdersOf, refuseTwice, SetUp, turnstileOf, withoutFastifyOptions } from '@fastify-airlock/core'
import type { FastifyInstance, RegisterOptions } from 'fastify'
import fp from 'fastify-plugin'
import { WSA_TICKET_ERR_OPTION } from './errors.js'
import { checkNodes } from './nodes.js'
import { wsTicketsOptions, type WsTicketsOptions } from './options.js'
import { ticketRoute } from './route.js'
import { Tickets } from './tickets.js'

/**
 * Decorates the server with `wsTickets` and adds the route that issues tickets.
 *
 * @example
 * await app.register(wsTickets)
 * const { ticket } = await app.wsTickets.issue('alice')
 * await app.wsTickets.redeem(ticket) // { subject: 'alice', claims: {}, expiresAt: … }
 *
 * @throws {@link WSA_TICKET_ERR_OPTION} when an option is wrong
 */
export const wsTickets = fp<WsTicketsOptions>(async (fastify: FastifyInstance, options: WsTicketsOptions) => {
  refuseTwice(fastify, 'wsTickets', 'ticket')
  // Fastify applies them to the scopes of plugins, and a plugin that decorates its parent has none: the route's gets them.
  const { logLevel, logSerializers }: RegisterOptions = options
  const settings = parseOptions(wsTicketsOptions, { ...withoutFastifyOptions(options, fastify), prefix: options.prefix }, WSA_TICKET_ERR_OPTION)
  SetUp.of(fastify).ignore(settings.ignoreWarnings)
  checkNodes(fastify, settings.store)
  const recent = recentOrdersOf(fastify.server)
  if (!recent.nameSession(settings.sessionClaim)) {
    throw new WSA_TICKET_ERR_OPTION(`sessionClaim: another plugin on this server was told ${recent.sessionClaim}`)
  }
  const tickets = new Tickets(settings, turnstileOf(fastify.server), recent, fastify.server)
  fastify.decorate('wsTickets', tickets)

  // The server starts although its database is away, and refuses tickets until the database is back.
  fastify.addHook('onReady', async () => {
    await tickets.ready(fastify.log).catch((error: unknown) => {
      logError(fastify.log, error, 'The ticket store is not ready: tickets are refused until it answers', {}, 'warn')
    })
  })
  fastify.addHook('onClose', () => tickets.close())

  const { route, prefix } = settings
  if (route !== false) {
    await fastify.register(scope => ticketRoute(scope, tickets, settings, route), { prefix, logLevel, logSerializers } as RegisterOptions)
  }
}, { name: '@fastify-airlock/ticket', fastify: '5.x' })
