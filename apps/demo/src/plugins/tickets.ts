import mongodb from '@fastify/mongodb'
import wsTickets, { MemoryStore, MongoStore } from '@fastify-airlock/ticket'
import fp from 'fastify-plugin'
import type { DemoOptions } from '../app.js'

/** Tickets, and the database they live in where there is one. */
export const tickets = fp<DemoOptions>(async (fastify, { config }) => {
  let store
  if (config.mongodbUrl !== undefined) {
    // A client of our own, since the plugin would wait for the database at start. Without a limit on the search for a
    // server it finds one whenever that comes; with one, a first connection that fails is the driver's last. The
    // ticket store has its own limit, after which the route answers 503.
    const client = new mongodb.mongodb.MongoClient(config.mongodbUrl, { serverSelectionTimeoutMS: 0 })
    const database = client.db()
    await fastify.register(mongodb, { client, database: database.databaseName })
    fastify.addHook('onClose', async () => client.close())
    store = new MongoStore(database)
  }
  await fastify.register(wsTickets, {
    store: store ?? new MemoryStore(),
    ttl: config.ticketTtl,
    reuse: config.ticketReuse,
    route: {
      authenticate: fastify.authenticate,
      rateLimit: { max: config.ticketRate, timeWindow: 60_000 }
    }
  })
}, { name: 'demo-tickets', dependencies: ['demo-auth', 'demo-rate-limit'] })
