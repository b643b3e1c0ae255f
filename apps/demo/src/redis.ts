import { Redis, type RedisOptions } from 'ioredis'
import type { FastifyBaseLogger } from 'fastify'

/**
 * A connection to Redis that is made again whenever it is lost. Each loss is logged once, not with every attempt.
 *
 * @param what the connection is for, as the log shall call it
 */
export function connectRedis (
  url: string, what: string, log: Pick<FastifyBaseLogger, 'info' | 'warn'>, options: RedisOptions
): Redis {
  const redis = new Redis(url, options)
  let away = false
  redis.on('error', (err: Error) => {
    if (!away) log.warn({ err }, `Redis is away: ${what}`)
    away = true
  })
  redis.on('ready', () => {
    if (away) log.info(`Redis is back: ${what}`)
    away = false
  })
  return redis
}
