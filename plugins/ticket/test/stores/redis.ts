import { randomBytes } from 'node:crypto'
import { Redis, type RedisOptions } from 'ioredis'
import type { Test } from 'tap'

/** The options that the README advises. */
export const ADVISED: RedisOptions = { maxRetriesPerRequest: 0, socketTimeout: 5_000 }

/** A connection, and how to wait until it can be used. */
export function connectTo (url: string, options = ADVISED): { redis: Redis, ready: () => Promise<void> } {
  const redis = new Redis(url, options)
  // Tests take Redis away on purpose; without a listener ioredis prints each failed attempt.
  redis.on('error', () => {})
  return { redis, ready: async () => { if (redis.status !== 'ready') await becomes(redis, 'ready') } }
}

/** A connection of the test's own, ready, closed with the test. */
export async function connect (t: Test, url: string, options: RedisOptions = {}): Promise<Redis> {
  const { redis, ready } = connectTo(url, options)
  t.teardown(() => redis.disconnect())
  await ready()
  return redis
}

/** Waits for an event, whatever errors come before it. */
export async function becomes (redis: Redis, event: 'ready' | 'close'): Promise<void> {
  await new Promise<void>(resolve => { redis.once(event, resolve) })
}

/** A prefix that no other run has, and whose keys are removed with the test. */
export function prefixOf (t: Test, redis: Redis): string {
  const prefix = `airlock_${randomBytes(6).toString('hex')}:`
  t.teardown(() => remove(redis, prefix))
  return prefix
}

/** Removes all keys behind a prefix. */
export async function remove (redis: Redis, prefix: string): Promise<void> {
  const keys = await redis.keys(`${prefix}*`)
  if (keys.length > 0) await redis.del(keys)
}
