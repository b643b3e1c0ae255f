import type { HubBus } from '@fastify-airlock/hub'
import { NatsBus } from '@fastify-airlock/hub/nats'
import type { FastifyInstance } from 'fastify'
import mqemitterRedis from 'mqemitter-redis'
import { ignoreErrors, requireMongodbEmitter, shareCollections } from './internals.js'
import { isMongodbUrl, MONGODB_SCHEMES } from './mongodb.js'
import { connectNats, isNatsUrl, NATS_SCHEMES } from './nats.js'
import { connectRedis, isRedisUrl, REDIS_SCHEMES } from './redis.js'

/** One kind of server that can connect several nodes. */
export interface BusRow {
  /** The server, as messages and the documentation call it. */
  server: string
  /** Schemes of its URLs, without the colon. They choose the row. */
  schemes: readonly string[]
  /** Whether the driver understands a URL that has one of the schemes. Does not connect. */
  validate (url: string): boolean
  /**
   * Creates the bus, and ends its connections when the app closes. The server may be away: it is found when it comes,
   * and found again when it comes back.
   */
  connect (url: string, fastify: FastifyInstance): HubBus
}

/** Every bus of the demo. A new bus is one more row. */
export const buses: readonly BusRow[] = [
  {
    server: 'Redis',
    schemes: REDIS_SCHEMES,
    validate: isRedisUrl,
    connect (url, fastify) {
      // Subscriptions wait until Redis comes, however long that takes. A message waits for the next attempt to connect
      // and no longer: it would be out of date.
      // Without the check: a subscription that comes between it and its answer makes it fail, and is forgotten.
      const subConn = connectRedis(url, 'the bus receives nothing', fastify.log, { maxRetriesPerRequest: null, enableReadyCheck: false })
      const pubConn = connectRedis(url, 'the bus sends nothing', fastify.log, { maxRetriesPerRequest: 0 })
      const emitter = mqemitterRedis({ subConn, pubConn })
      ignoreErrors(emitter)
      fastify.addHook('onClose', async () => {
        // The emitter's own close() sends QUIT and waits for an answer, even while Redis is away.
        subConn.disconnect()
        pubConn.disconnect()
      })
      return emitter
    }
  },
  {
    server: 'NATS',
    schemes: NATS_SCHEMES,
    validate: isNatsUrl,
    connect (url, fastify) {
      const closing = new AbortController()
      const connection = connectNats(url, 'nothing goes through the bus', fastify.log, closing.signal)
      fastify.addHook('onClose', async () => {
        closing.abort()
        // Not awaited: an attempt to connect that is under way may last for seconds.
        connection.then(async made => made.close(), () => {})
      })
      return new NatsBus(connection)
    }
  },
  {
    server: 'MongoDB',
    schemes: MONGODB_SCHEMES,
    validate: isMongodbUrl,
    connect (url, fastify) {
      // Loaded only here, because it takes a while and few need it.
      const { mqemitterMongodb, MongoClient } = requireMongodbEmitter()
      // The emitter looks for the database once, at start. Without a time limit on the search, once is enough.
      const client = new MongoClient(url, { serverSelectionTimeoutMS: 0 })
      const db = client.db()
      shareCollections(db)
      const emitter = mqemitterMongodb({ db, collection: 'ws_bus' })
      ignoreErrors(emitter)
      fastify.addHook('onClose', async () => {
        // Not awaited: it never calls back if the database never came.
        emitter.close(() => {})
        await client.close()
      })
      return emitter
    }
  }
]

/** The bus that a URL leads to; `undefined` if no row has its scheme. */
export function busOf (url: string): BusRow | undefined {
  return buses.find(({ schemes }) => schemes.some(scheme => url.startsWith(`${scheme}://`)))
}
