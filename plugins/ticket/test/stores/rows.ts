import { randomBytes } from 'node:crypto'
import {
  findMongo, findPostgres, findRedis, type PrivateServer, type Server, type Skip, startMongo, startPostgres, startRedis
} from '@fastify-airlock/test-servers'
import type { TicketStore } from '../../src/index.js'

/** A store on a connection of its own. */
export interface OpenStore {
  store: TicketStore
  /** Waits until the database can be asked. Some clients refuse before. */
  connect: () => Promise<unknown>
  /** Removes everything that the store has put into its part of the database. */
  clear: () => Promise<unknown>
  /** Closes the connection. */
  close: () => unknown
}

/** A kind of store, as `testStore` needs it. */
export interface StoreRow {
  /** Finds the server that all suites share, or starts one. */
  find: () => Promise<Server | Skip>
  /** Starts a server that the suite may kill and pause. */
  start: () => Promise<PrivateServer | Skip>
  /**
   * Makes a store, whether the server is there or not.
   *
   * @param space names a part of the database that nobody else uses, see {@link spaceName}
   * @param timeout time the database has for an answer, in milliseconds
   */
  create: (url: string, space: string, timeout: number) => Promise<OpenStore>
}

/** Every store that lives in a database. Each client is imported on demand, because a test needs only one. */
export const STORES = {
  mongodb: {
    find: findMongo,
    start: startMongo,
    create: async (url, space, timeout) => {
      const [{ MongoClient }, { MongoStore }] = [await import('mongodb'), await import('../../src/stores/mongodb.js')]
      const client = new MongoClient(url, { serverSelectionTimeoutMS: Math.min(timeout, 1_000), heartbeatFrequencyMS: 500 })
      const database = client.db(space)
      return {
        store: new MongoStore(database, { timeout }),
        connect: () => client.connect(),
        clear: () => database.dropDatabase(),
        close: () => client.close()
      }
    }
  },
  postgresql: {
    find: findPostgres,
    start: () => startPostgres(),
    create: async (url, space, timeout) => {
      const [{ default: { Pool } }, { PostgresStore }] = [await import('pg'), await import('../../src/stores/postgres.js')]
      const pool = new Pool({ connectionString: url, connectionTimeoutMillis: timeout })
      return {
        store: new PostgresStore(pool, { table: space, timeout }),
        connect: async () => {},
        clear: () => pool.query(`DROP TABLE IF EXISTS ${space}`),
        close: () => pool.end()
      }
    }
  },
  redis: {
    find: findRedis,
    start: () => startRedis(),
    create: async (url, space, timeout) => {
      const [{ connectTo, remove }, { RedisStore }] = [await import('./redis.js'), await import('../../src/stores/redis.js')]
      const prefix = `${space}:`
      const { redis, ready } = connectTo(url)
      return {
        store: new RedisStore(redis, { prefix, timeout }),
        connect: ready,
        clear: () => remove(redis, prefix),
        close: () => redis.disconnect()
      }
    }
  }
} satisfies Record<string, StoreRow>

/** The name of a row. */
export type StoreName = keyof typeof STORES

/** A name for a part of a database that no other test uses. */
export function spaceName (): string {
  return `airlock_${randomBytes(6).toString('hex')}`
}
