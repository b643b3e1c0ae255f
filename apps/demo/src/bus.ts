import type { mongodb } from '@fastify/mongodb'
import type { HubBus } from '@fastify-airlock/hub'
import type { FastifyBaseLogger } from 'fastify'
import mqemitterRedis from 'mqemitter-redis'
import type { EventEmitter } from 'node:events'
import { createRequire } from 'node:module'
import { connectRedis } from './redis.js'

/** What connects the nodes, and how it ends. */
export interface Bus {
  readonly emitter: HubBus
  close (): Promise<void>
}

/**
 * Connects to the bus. It may be away: it is found when it comes, and found again when it comes back.
 *
 * @param url of Redis or of a MongoDB
 */
export function connectBus (url: string, log: Pick<FastifyBaseLogger, 'info' | 'warn'>): Bus {
  return url.startsWith('redis') ? redisBus(url, log) : mongodbBus(url)
}

function redisBus (url: string, log: Pick<FastifyBaseLogger, 'info' | 'warn'>): Bus {
  // Subscriptions wait until Redis comes, however long. What is published waits for the next attempt to connect and no
  // longer: nobody wants to hear it later.
  const subConn = connectRedis(url, 'the bus receives nothing', log, { maxRetriesPerRequest: null })
  const pubConn = connectRedis(url, 'the bus sends nothing', log, { maxRetriesPerRequest: 0 })
  const emitter = mqemitterRedis({ subConn, pubConn })
  ;(emitter as typeof emitter & { readonly state: EventEmitter }).state.on('error', ignore)
  return {
    emitter,
    async close () {
      // Its own close() says goodbye to Redis, and waits for the answer even where there is none.
      subConn.disconnect()
      pubConn.disconnect()
    }
  }
}

/** The inside of `mqemitter-mongodb`, which has no types. */
interface MongodbEmitter extends HubBus {
  readonly status: EventEmitter
  close (callback: () => void): void
}

const require = createRequire(import.meta.url)

/** MongoDB's error code for a collection that is there already. */
const NAMESPACE_EXISTS = 48

function mongodbBus (url: string): Bus {
  // Only now: it takes a while, and few need it. Its own driver, since it takes no objects of the tickets' newer one.
  const mqemitterMongodb: (options: { db: mongodb.Db, collection: string }) => MongodbEmitter = require('mqemitter-mongodb')
  const { MongoClient }: typeof mongodb = createRequire(require.resolve('mqemitter-mongodb'))('mongodb')
  // It looks for the database once, at start. Without a limit on the search that is enough.
  const client = new MongoClient(url, { serverSelectionTimeoutMS: 0 })
  const db = client.db()
  shareCollections(db)
  const emitter = mqemitterMongodb({ db, collection: 'ws_bus' })
  emitter.status.on('error', ignore)
  return {
    emitter,
    async close () {
      // Where the database never came, it never calls back.
      emitter.close(ignore)
      await client.close()
    }
  }
}

/**
 * Makes it no error to create a collection that another node has created in the same moment, as all do who start
 * together. `mqemitter-mongodb` does not catch that one, and so it would end the process.
 */
export function shareCollections (db: Pick<mongodb.Db, 'createCollection' | 'collection'>): void {
  const create = db.createCollection.bind(db)
  db.createCollection = async (name: string, options?: mongodb.CreateCollectionOptions) => {
    try {
      return await create(name, options)
    } catch (error) {
      if ((error as { code?: unknown }).code !== NAMESPACE_EXISTS) throw error
      return db.collection(name)
    }
  }
}

/** The hub listens as well, and tells of a bus that is down. */
function ignore (): void {}
