import { Redis, type RedisOptions } from 'ioredis'
import type { FastifyBaseLogger } from 'fastify'

/** Schemes of the URLs of Redis. */
export const REDIS_SCHEMES = ['redis', 'rediss']

/** Whether ioredis understands a URL: it takes any text after the scheme. */
export function isRedisUrl (_url: string): boolean {
  return true
}

/**
 * Connects to Redis, and connects again whenever the connection is lost. Logs each loss once, not at every attempt.
 *
 * @param purpose what does not work without the connection, for the log
 */
export function connectRedis (
  url: string, purpose: string, log: Pick<FastifyBaseLogger, 'info' | 'warn'>, options: RedisOptions
): Redis {
  const redis = new Redis(url, options)
  let away = false
  redis.on('error', (err: Error) => {
    if (!away) log.warn({ err }, `Redis is away: ${purpose}`)
    away = true
  })
  redis.on('ready', () => {
    if (away) log.info(`Redis is back: ${purpose}`)
    away = false
  })
  return redis
}
