import { randomBytes } from 'node:crypto'
import { Redis, type RedisOptions } from 'ioredis'
import pg from 'pg'
import type { Test } from 'tap'
import { PostgresTopicStore, type PostgresTopicStoreOptions } from '../../src/stores/postgres.js'
import { RedisTopicStore } from '../../src/stores/redis.js'

/** Time for an answer in tests that are not about time, in milliseconds. */
export const PATIENCE = 30_000

/** A name for a part of a database that no other test uses. */
export function spaceName (): string {
  return `airlock_${randomBytes(6).toString('hex')}`
}

/** A connection of the test's own, ready, closed with the test. */
export async function connectRedis (t: Test, url: string, options: RedisOptions = { maxRetriesPerRequest: 0 }): Promise<Redis> {
  const redis = new Redis(url, options)
  redis.on('error', () => {})
  t.teardown(() => redis.disconnect())
  if (redis.status !== 'ready') await new Promise<void>(resolve => { redis.once('ready', resolve) })
  return redis
}

/** A store with keys of its own, which are removed with the test. */
export async function redisStore (t: Test, url: string, space = spaceName(), timeout = PATIENCE) {
  const redis = await connectRedis(t, url)
  const prefix = `${space}:`
  t.teardown(async () => {
    if (redis.status !== 'ready') return
    const keys = await redis.keys(`${prefix}*`)
    if (keys.length > 0) await redis.del(keys)
  })
  return { redis, prefix, store: new RedisTopicStore(redis, { prefix, timeout }) }
}

/** A store with tables of its own, which are removed with the test. */
export async function postgresStore (t: Test, url: string, options: PostgresTopicStoreOptions = {}) {
  const { table = spaceName() } = options
  const pool = new pg.Pool({ connectionString: url, connectionTimeoutMillis: PATIENCE })
  const store = new PostgresTopicStore(pool, { timeout: PATIENCE, ...options, table })
  t.teardown(async () => {
    await pool.query(`DROP TABLE IF EXISTS ${table}, ${table}_log, ${table}_ids; DROP FUNCTION IF EXISTS ${table}_append`)
    await pool.end()
  })
  return { pool, table, store }
}
