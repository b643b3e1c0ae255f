import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { Redis, type RedisOptions } from 'ioredis'
import type { Test } from 'tap'

/** A connection of its own, ready, closed with the test. */
export async function connect (t: Test, url: string, options: RedisOptions = {}): Promise<Redis> {
  const redis = new Redis(url, options)
  // Tests take Redis away on purpose; without a listener ioredis prints each failed attempt.
  redis.on('error', () => {})
  t.teardown(() => redis.disconnect())
  await once(redis, 'ready')
  return redis
}

/** Waits for an event, whatever errors come before it. */
export async function becomes (redis: Redis, event: 'ready' | 'close'): Promise<void> {
  await new Promise<void>(resolve => { redis.once(event, resolve) })
}

/** A prefix that no other run has. */
export function prefixOf (t: Test, redis: Redis): string {
  const prefix = `airlock_${randomBytes(6).toString('hex')}:`
  t.teardown(async () => {
    const keys = await redis.keys(`${prefix}*`)
    if (keys.length > 0) await redis.del(keys)
  })
  return prefix
}
