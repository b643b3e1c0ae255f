import type { mongodb } from '@fastify/mongodb'
import type { HubBus } from '@fastify-airlock/hub'
import type { EventEmitter } from 'node:events'
import { createRequire } from 'node:module'

/*
 * Parts of mqemitter-redis 7.2 and mqemitter-mongodb 9.1 that their documentation does not mention.
 */

/** Where an emitter reports errors besides its callbacks: `state` in mqemitter-redis, `status` in mqemitter-mongodb. */
interface Reporting {
  readonly state?: EventEmitter
  readonly status?: EventEmitter
}

/**
 * Keeps the errors of a bus from ending the process: Node throws an `'error'` event that nobody listens to. The hub
 * listens as well and logs that the bus is down, but only from its own start on. Without these members there is no such
 * event to catch.
 */
export function ignoreErrors (bus: HubBus): void {
  const { state, status } = bus as Reporting
  for (const reports of [state, status]) reports?.on('error', () => {})
}

/** `mqemitter-mongodb`, which has no types. */
export type MqemitterMongodb = (options: { db: mongodb.Db, collection: string }) => HubBus & { close (callback: () => void): void }

const require = createRequire(import.meta.url)

/**
 * Loads `mqemitter-mongodb`, and the driver out of its own dependencies: it refuses objects of the newer driver that
 * keeps the tickets, since bson does not mix major versions.
 */
export function requireMongodbEmitter (): { mqemitterMongodb: MqemitterMongodb, MongoClient: typeof mongodb.MongoClient } {
  const { MongoClient }: typeof mongodb = createRequire(require.resolve('mqemitter-mongodb'))('mongodb')
  return { mqemitterMongodb: require('mqemitter-mongodb'), MongoClient }
}

/** MongoDB's error code for a collection that exists already. */
const NAMESPACE_EXISTS = 48

/**
 * Makes it no error to create a collection that another node created in the same moment, as happens when all start
 * together. `mqemitter-mongodb` does not catch that error, so without this it would end the process.
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
