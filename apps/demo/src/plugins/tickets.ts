import wsTickets from '@fastify-airlock/ticket'
import fp from 'fastify-plugin'
import type { DemoOptions } from '../config.js'
import { ticketStores } from '../ticket-stores.js'

/** Tickets, and the connection to the server that keeps them, if there is one. */
export const tickets = fp<DemoOptions>(async (fastify, { config }) => {
  await fastify.register(wsTickets, {
    store: await ticketStores[config.ticketStore].connect(config.ticketStoreUrl, fastify),
    ttl: config.ticketTtl,
    reuse: config.ticketReuse,
    ...config.allowedOrigins !== undefined && { allowedOrigins: config.allowedOrigins },
    route: {
      authenticate: fastify.authenticate,
      rateLimit: { max: config.ticketRate, timeWindow: 60_000 }
    }
  })
}, { name: 'demo-tickets', dependencies: ['demo-auth', 'demo-rate-limit'] })
