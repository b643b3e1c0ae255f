import { MemoryStore } from '@fastify-airlock/ticket'
import { RedisStore } from '@fastify-airlock/ticket/redis'
import { MemoryTopicStore } from '@fastify-airlock/topics'
import { RedisTopicStore } from '@fastify-airlock/topics/redis'
import type { HubBus } from 'fastify-airlock'
import { Redis } from 'ioredis'
import mqemitterRedis from 'mqemitter-redis'
import type { Shared } from './app.js'
import { Logins } from './logins.js'
import { Rooms } from './rooms.js'
import { MemorySets, RedisSets, type Sets } from './sets.js'

/** What is shared, without what comes from the configuration. */
interface Stores {
  shared: Omit<Shared, 'secret' | 'users'>
  bus?: HubBus
  close (): void
}

/** For one node: everything is in memory, and ends with it. */
export function inMemory (): Stores {
  return { shared: { ...over(new MemorySets()), tickets: new MemoryStore(), topics: new MemoryTopicStore() }, close () {} }
}

/** For any number of nodes. */
export function inRedis (url: string): Stores {
  // An answer that comes too late is none: who asked has been told that it failed.
  const redis = new Redis(url, { maxRetriesPerRequest: 0, socketTimeout: 5_000 })
  // Subscriptions wait for Redis; messages do not, since they would be out of date.
  const subConn = new Redis(url, { maxRetriesPerRequest: null, enableReadyCheck: false })
  const pubConn = new Redis(url, { maxRetriesPerRequest: 0 })
  const connections = [redis, subConn, pubConn]
  // The hub and the topics log that it is away.
  for (const connection of connections) connection.on('error', () => {})
  return {
    shared: { ...over(new RedisSets(redis)), tickets: new RedisStore(redis), topics: new RedisTopicStore(redis) },
    bus: mqemitterRedis({ subConn, pubConn }),
    close () { for (const connection of connections) connection.disconnect() }
  }
}

function over (sets: Sets): { rooms: Rooms, logins: Logins } {
  return { rooms: new Rooms(sets), logins: new Logins(sets) }
}
