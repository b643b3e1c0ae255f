import { createHash } from 'node:crypto'
import { instanceWith, nonEmptyString, optionsObject, parseOptions } from '@fastify-airlock/core'
import * as v from 'valibot'
import { type ConnectionCounter, type CountedConnection, KEPT_MS, type PlaceAnswer } from '../connection-counter.js'
import { WSA_HUB_ERR_OPTION } from '../errors.js'
import { BEGIN, END, KEEP, RELEASE, RENEW, type Script, TAKE } from './redis-scripts.js'

/** Options of a {@link RedisConnectionCounter}. */
export interface RedisConnectionCounterOptions {
  /**
   * Prefix of all keys. Redis Cluster needs a hash tag in it, such as `{ws:places}:`.
   * @default 'ws:places:'
   */
  prefix?: string
}

/** The part of an ioredis connection (version 5 or 6) that {@link RedisConnectionCounter} uses. */
export interface RedisClient {
  /** `ready` when commands can be sent; `wait` before the first command of a lazy connection. */
  readonly status: string
  /** Whether it is a connection to Redis Cluster. */
  readonly isCluster: boolean
  evalsha (sha: string, keyCount: number, ...keysAndArguments: string[]): Promise<unknown>
  eval (lua: string, keyCount: number, ...keysAndArguments: string[]): Promise<unknown>
}

const counterOptions = optionsObject({
  redis: instanceWith<RedisClient>('evalsha', 'eval'),
  prefix: v.optional(nonEmptyString, 'ws:places:')
})

/** The part of a key that decides on its slot, as in the Redis Cluster specification. */
const HASH_TAG = /^[^{]*\{[^}]+\}/

/**
 * Counts connections in Redis, for any number of nodes. Each call is one script and one round trip; the names of users are
 * hashed. The counter does not close the connection.
 *
 * @example
 * const redis = new Redis(process.env.REDIS_URL as string, { maxRetriesPerRequest: 0, socketTimeout: 5_000 })
 * await app.register(wsHub, { bus, connectionCounter: new RedisConnectionCounter(redis) })
 */
export class RedisConnectionCounter implements ConnectionCounter {
  readonly #redis: RedisClient
  readonly #prefix: string

  /**
   * @param redis an ioredis connection to one server, Sentinel or Redis Cluster
   * @throws {@link WSA_HUB_ERR_OPTION} when an option is wrong, or a cluster has no hash tag in the prefix
   */
  constructor (redis: RedisClient, options: RedisConnectionCounterOptions = {}) {
    const { prefix } = parseOptions(counterOptions, { ...options, redis }, WSA_HUB_ERR_OPTION)
    if (redis.isCluster && !HASH_TAG.test(prefix)) {
      throw new WSA_HUB_ERR_OPTION('prefix: Redis Cluster needs a hash tag, such as {ws:places}:, to keep all places in one slot')
    }
    this.#redis = redis
    this.#prefix = prefix
  }

  async begin (holder: string, previous: string | null, life: number): Promise<void> {
    await this.#run(BEGIN, [this.#life(holder), ...previous === null ? [] : [this.#life(previous)]], String(life))
  }

  async renew (holder: string, life: number): Promise<boolean> {
    return await this.#run(RENEW, [this.#life(holder)], String(life)) === 1
  }

  async take (holder: string, { subject, id }: CountedConnection, limit: number, replace: boolean): Promise<PlaceAnswer> {
    const [place, ...replaced] = await this.#run(
      TAKE, [this.#places(subject), this.#life(holder)], holder, id, String(limit), replace ? '1' : '0', String(KEPT_MS)
    ) as [PlaceAnswer['place'], ...string[]]
    return { place, replaced }
  }

  async keep (holder: string, connections: Array<CountedConnection & { age: number }>): Promise<void> {
    if (connections.length === 0) return
    await this.#run(
      KEEP, connections.map(({ subject }) => this.#places(subject)), holder, String(KEPT_MS),
      ...connections.flatMap(({ id, age }) => [id, String(Math.round(age))])
    )
  }

  async release (holder: string, { subject, id }: CountedConnection): Promise<void> {
    await this.#run(RELEASE, [this.#places(subject)], `${holder} ${id}`)
  }

  async end (holder: string): Promise<void> {
    await this.#run(END, [this.#life(holder)])
  }

  #life (holder: string): string {
    return `${this.#prefix}life:${holder}`
  }

  // UTF-16, since UTF-8 has no half of a surrogate pair, and two users could become one.
  #places (subject: string): string {
    return `${this.#prefix}of:${createHash('sha256').update(subject, 'utf16le').digest('base64url')}`
  }

  async #run ({ sha, lua }: Script, keys: string[], ...given: string[]): Promise<unknown> {
    // Otherwise ioredis would send it later, for a holder that is none any more.
    const { status } = this.#redis
    if (status !== 'ready' && status !== 'wait') throw new Error(`The connection to Redis is not ready: ${status}`)
    try {
      return await this.#redis.evalsha(sha, keys.length, ...keys, ...given)
    } catch (error) {
      // Redis has not seen the script since it was started.
      if (!(error as Error).message.startsWith('NOSCRIPT')) throw error
      return await this.#redis.eval(lua, keys.length, ...keys, ...given)
    }
  }
}
