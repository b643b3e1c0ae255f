import fastifyMongodb from '@fastify/mongodb'
import { MemoryStore, type TicketStore } from '@fastify-airlock/ticket'
import { MongoStore } from '@fastify-airlock/ticket/mongodb'
import { PostgresStore } from '@fastify-airlock/ticket/postgres'
import { RedisStore } from '@fastify-airlock/ticket/redis'
import type { FastifyInstance } from 'fastify'
import { isMongodbUrl, MONGODB_SCHEMES } from './mongodb.js'
import { connectPostgres, isPostgresUrl, POSTGRES_SCHEMES } from './postgres.js'
import { connectRedis, isRedisUrl, REDIS_SCHEMES } from './redis.js'

/** The environment variable that says where the server of a ticket store is. */
export interface StoreUrl {
  variable: `${string}_URL`
  /** The server, as messages call it. */
  server: string
  /** Schemes of its URLs, without the colon. */
  schemes: readonly string[]
  /** For the documentation of the variable, in Markdown. */
  description: string
  /** For `.env.example`. */
  example: string
  /** Whether this URL alone, without `TICKET_STORE`, chooses the store. */
  isEnough?: boolean
  /** Whether the driver understands a URL that has one of the schemes. Does not connect. */
  validate (url: string): boolean
}

/** One place where tickets can be kept. */
export interface TicketStoreRow {
  /** Missing if the store has no server. */
  url?: StoreUrl
  /**
   * Creates the store, and ends its connections when the app closes. The server may be away: it is found when it comes.
   *
   * @param url empty if the store has no server
   */
  connect (url: string, fastify: FastifyInstance): TicketStore | Promise<TicketStore>
}

const rows = {
  memory: {
    connect: () => new MemoryStore()
  },
  mongodb: {
    url: {
      variable: 'MONGODB_URL',
      server: 'MongoDB',
      schemes: MONGODB_SCHEMES,
      description: 'Database of the ticket store `mongodb`.',
      example: 'mongodb://127.0.0.1:27017/airlock',
      isEnough: true,
      validate: isMongodbUrl
    },
    async connect (url, fastify) {
      // @fastify/mongodb would wait at start until the database answers, so it gets a client that is already made.
      // The client looks for a server without a time limit: with one, a first connection that fails is the driver's
      // last. The ticket store has its own limit, after which the route answers 503.
      const client = new fastifyMongodb.mongodb.MongoClient(url, { serverSelectionTimeoutMS: 0 })
      const database = client.db()
      await fastify.register(fastifyMongodb, { client, database: database.databaseName })
      fastify.addHook('onClose', async () => client.close())
      return new MongoStore(database)
    }
  },
  postgres: {
    url: {
      variable: 'POSTGRES_URL',
      server: 'PostgreSQL',
      schemes: POSTGRES_SCHEMES,
      description: 'Database of the ticket store `postgres`.',
      example: 'postgresql://airlock@127.0.0.1:5432/airlock',
      validate: isPostgresUrl
    },
    connect (url, fastify) {
      const pool = connectPostgres(url, 'no tickets', fastify.log)
      fastify.addHook('onClose', async () => pool.end())
      return new PostgresStore(pool)
    }
  },
  redis: {
    url: {
      variable: 'REDIS_URL',
      server: 'Redis',
      schemes: REDIS_SCHEMES,
      description: 'Redis of the ticket store `redis`; also the bus where `BUS_URL` is empty.',
      example: 'redis://127.0.0.1:6379',
      validate: isRedisUrl
    },
    connect (url, fastify) {
      // A command that waited for Redis to come back would use up a ticket after its client has been refused. So commands
      // without an answer fail when the connection is lost, and a connection on which no answer comes is closed.
      const redis = connectRedis(url, 'no tickets', fastify.log, { maxRetriesPerRequest: 0, socketTimeout: 5_000 })
      fastify.addHook('onClose', async () => redis.disconnect())
      return new RedisStore(redis)
    }
  }
} satisfies Record<string, TicketStoreRow>

/** A value of `TICKET_STORE`. */
export type TicketStoreName = keyof typeof rows

/** Every ticket store of the demo by its name. A new store is one more row. */
export const ticketStores: Readonly<Record<TicketStoreName, TicketStoreRow>> = rows
