import { MemoryTopicStore, type TopicStore } from '@fastify-airlock/topics'
import { PostgresTopicStore } from '@fastify-airlock/topics/postgres'
import { RedisTopicStore } from '@fastify-airlock/topics/redis'
import type { FastifyInstance } from 'fastify'
import type { DemoConfig } from './config.js'
import { connectPostgres } from './postgres.js'
import { connectRedis, REDIS_SCHEMES } from './redis.js'

/**
 * Where topics are kept: with the tickets where that is PostgreSQL or Redis, else in the Redis of the bus, and in memory on a node
 * that stands alone. Ends its connections when the app closes.
 *
 * @returns `null` where several nodes share no such server: nothing is kept then
 */
export function topicStoreOf (
  { ticketStore, ticketStoreUrl, busUrl }: Pick<DemoConfig, 'ticketStore' | 'ticketStoreUrl' | 'busUrl'>, fastify: FastifyInstance
): TopicStore | null {
  if (ticketStore === 'postgres') {
    const pool = connectPostgres(ticketStoreUrl, 'no topics', fastify.log)
    fastify.addHook('onClose', async () => pool.end())
    return new PostgresTopicStore(pool)
  }
  const redisUrl = ticketStore === 'redis' ? ticketStoreUrl : busUrl
  if (redisUrl === undefined) return new MemoryTopicStore()
  if (!REDIS_SCHEMES.some(scheme => redisUrl.startsWith(`${scheme}://`))) return null
  // As for tickets: what waited for Redis would be kept after its publisher has been told that it was not.
  const redis = connectRedis(redisUrl, 'no topics', fastify.log, { maxRetriesPerRequest: 0, socketTimeout: 5_000 })
  fastify.addHook('onClose', async () => redis.disconnect())
  return new RedisTopicStore(redis)
}
