import mongodb from '@fastify/mongodb'
import wsTickets, { MemoryStore, type TicketStore } from '@fastify-airlock/ticket'
import { MongoStore } from '@fastify-airlock/ticket/mongodb'
import { RedisStore } from '@fastify-airlock/ticket/redis'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { DemoOptions } from '../app.js'
import { connectRedis } from '../redis.js'

/** Tickets, and the database they live in where there is one. */
export const tickets = fp<DemoOptions>(async (fastify, { config }) => {
  await fastify.register(wsTickets, {
    store: await createStore(fastify, config),
    ttl: config.ticketTtl,
    reuse: config.ticketReuse,
    route: {
      authenticate: fastify.authenticate,
      rateLimit: { max: config.ticketRate, timeWindow: 60_000 }
    }
  })
}, { name: 'demo-tickets', dependencies: ['demo-auth', 'demo-rate-limit'] })

async function createStore (
  fastify: FastifyInstance, { ticketStore, mongodbUrl, redisUrl }: DemoOptions['config']
): Promise<TicketStore> {
  switch (ticketStore) {
    case 'mongodb': return await mongoStore(fastify, mongodbUrl as string)
    case 'redis': return redisStore(fastify, redisUrl as string)
    case 'memory': return new MemoryStore()
  }
}

async function mongoStore (fastify: FastifyInstance, url: string): Promise<MongoStore> {
  // A client of our own, since the plugin would wait for the database at start. Without a limit on the search for a
  // server it finds one whenever that comes; with one, a first connection that fails is the driver's last. The
  // ticket store has its own limit, after which the route answers 503.
  const client = new mongodb.mongodb.MongoClient(url, { serverSelectionTimeoutMS: 0 })
  const database = client.db()
  await fastify.register(mongodb, { client, database: database.databaseName })
  fastify.addHook('onClose', async () => client.close())
  return new MongoStore(database)
}

function redisStore (fastify: FastifyInstance, url: string): RedisStore {
  // A command that has waited for Redis to come back would use up a ticket that nobody waits for any more.
  const redis = connectRedis(url, 'no tickets', fastify.log, { maxRetriesPerRequest: 0, autoResendUnfulfilledCommands: false })
  fastify.addHook('onClose', async () => redis.disconnect())
  return new RedisStore(redis)
}
