import { instanceWith, keyHash, nonEmptyString, optionsObject, parseOptions, type RedisScript, type RedisScriptClient, runRedisScript } from '@fastify-airlock/core'
import * as v from 'valibot'
import { type ConnectionCounter, type CountedConnection, KEPT_MS, type PlaceAnswer } from '../connection-counter.js'
import { WSA_HUB_ERR_OPTION } from '../errors.js'
import { BEGIN, END, KEEP, RELEASE, RENEW, TAKE } from './redis-scripts.js'

/** Options of a {@link RedisConnectionCounter}. */
export interface RedisConnectionCounterOptions {
  /**
   * Prefix of all keys. Redis Cluster needs a hash tag in it, such as `{ws:places}:`.
   * @default 'ws:places:'
   */
  prefix?: string
}

/** The part of an ioredis connection (version 5 or 6) that {@link RedisConnectionCounter} uses. */
export interface RedisClient extends RedisScriptClient {
  /** Whether it is a connection to Redis Cluster. */
  readonly isCluster: boolean
}

const counterOptions = optionsObject({
  redis: instanceWith<RedisClient>('evalsha', 'eval'),
  prefix: v.optional(nonEmptyString, 'ws:places:')
})

/** Time after which the hub does not wait for an answer any more, in milliseconds. */
const TIMEOUT_MS = 2_000

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

  #places (subject: string): string {
    return `${this.#prefix}of:${keyHash(subject)}`
  }

  async #run (script: RedisScript, keys: string[], ...given: string[]): Promise<unknown> {
    return await runRedisScript(this.#redis, script, keys, given, TIMEOUT_MS)
  }
}
