import {
  instanceWith, milliseconds, nonEmptyString, optionsObject, parseOptions, type RedisScript, type RedisScriptClient, requireRedis, runRedisScript, toStored
} from '@fastify-airlock/core'
import { randomBytes } from 'node:crypto'
import * as v from 'valibot'
import { WSA_TOPICS_ERR_OPTION, WSA_TOPICS_ERR_STORE_CLOSED } from '../errors.js'
import { HEAD_LIFE } from '../head-life.js'
import type { AppendOptions, Appended, Claimed, PublicationId, StoredMessage, TopicPosition, TopicRead, TopicStore, TopicStoreLog } from '../store.js'
import { readOf } from './read.js'
import { APPEND, CLAIM, OPEN, READ } from './redis-scripts.js'

/** Options of a {@link RedisTopicStore}. */
export interface RedisTopicStoreOptions {
  /**
   * Prefix of all keys. The keys of one topic share a hash tag of their own, so that topics are spread over a Redis Cluster: a
   * prefix with a hash tag would put all of them into one slot.
   * @default 'ws:topics:'
   */
  prefix?: string
  /**
   * Time after which nobody waits for an answer, in milliseconds. If Redis says after this time that it does not know
   * the script, the script is not sent again. Keep it equal to the plugin's `storeTimeout`.
   * @default 2000
   */
  timeout?: number
}

/** The part of an ioredis connection (version 5 or 6) that {@link RedisTopicStore} uses. */
export interface RedisTopicClient extends RedisScriptClient {
  hmget (key: string, ...fields: string[]): Promise<Array<string | null>>
  config (operation: 'GET', name: string): Promise<unknown>
}

const redisOptions = optionsObject({
  redis: instanceWith<RedisTopicClient>('evalsha', 'eval', 'hmget'),
  prefix: v.optional(nonEmptyString, 'ws:topics:'),
  timeout: v.optional(milliseconds, 2_000)
})

const CLAIMED: readonly Claimed[] = ['new', 'repeated', 'conflict']

/**
 * Keeps publications in Redis (5 or later), for any number of nodes: a stream for each topic, and one script and one round trip for
 * each publication. It does not close the connection.
 *
 * What Redis has acknowledged survives a restart of Redis only with `appendonly yes`, a crash of its machine only with
 * `appendfsync always`, and a failover only as far as the replica had it.
 *
 * While there is no connection, operations fail at once: ioredis would send them later, for callers that have given up.
 *
 * @example
 * const redis = new Redis(process.env.REDIS_URL as string, { maxRetriesPerRequest: 0, socketTimeout: 5_000 })
 * await app.register(wsTopics, { store: new RedisTopicStore(redis) })
 */
export class RedisTopicStore implements TopicStore {
  readonly #redis: RedisTopicClient
  readonly #prefix: string
  readonly #timeout: number
  #closed = false

  /**
   * @param redis an ioredis connection to one server, Sentinel or Redis Cluster, such as `fastify.redis` of `@fastify/redis`
   * @throws {@link WSA_TOPICS_ERR_OPTION} when an option is wrong
   */
  constructor (redis: RedisTopicClient, options: RedisTopicStoreOptions = {}) {
    const { prefix, timeout } = parseOptions(redisOptions, { ...options, redis }, WSA_TOPICS_ERR_OPTION)
    this.#redis = redis
    this.#prefix = prefix
    this.#timeout = timeout
  }

  async ready (log: TopicStoreLog): Promise<void> {
    // A user may lack the right to ask, and a service may not have the command.
    const [, appendonly] = await this.#redis.config('GET', 'appendonly').catch(() => []) as string[]
    if (appendonly === 'no') {
      log.warn({}, 'Redis keeps publications in memory alone: those that were acknowledged are lost when it restarts. Set appendonly to yes')
    }
    const [, policy] = await this.#redis.config('GET', 'maxmemory-policy').catch(() => []) as string[]
    if (policy?.startsWith('allkeys') === true) {
      log.warn({ policy }, 'Redis may evict the history of topics: set maxmemory-policy to noeviction')
    }
  }

  async append (topic: string, data: string, { size, ttl, id }: AppendOptions): Promise<Appended> {
    const keys = this.#keys(topic)
    const named = id === undefined ? [[], []] : [[this.#id(topic, id)], [id.digest, String(id.window)]]
    const [claimed, epoch, offset] = await this.#run(
      APPEND, [...keys, ...named[0] as string[]], newEpoch(), data, String(size), String(ttl), String(ttl + HEAD_LIFE), ...named[1] as string[]
    ) as [number, string, string]
    return { position: { epoch, offset: Number(offset) }, claimed: CLAIMED[claimed] as Claimed }
  }

  async claim (topic: string, id: PublicationId): Promise<Claimed> {
    return CLAIMED[await this.#run(CLAIM, [this.#id(topic, id)], id.digest, String(id.window)) as number] as Claimed
  }

  async open (topic: string, ttl: number): Promise<TopicPosition> {
    const [epoch, offset] = await this.#run(OPEN, this.#keys(topic), newEpoch(), String(ttl + HEAD_LIFE)) as [string, string]
    return { epoch, offset: Number(offset) }
  }

  async read (topic: string, since: TopicPosition | null, limit: number): Promise<TopicRead> {
    const { epoch, offset } = since ?? { epoch: '', offset: 0 }
    const [head, at, ...found] = await this.#run(READ, this.#keys(topic), epoch, String(offset), String(since === null ? 0 : limit)) as string[]
    if (head === undefined) return { position: null, messages: [], complete: false }
    const messages: StoredMessage[] = []
    for (let index = 0; index < found.length; index += 2) messages.push({ offset: Number(found[index]), data: found[index + 1] as string })
    return readOf({ epoch: head, offset: Number(at) }, since, messages)
  }

  async heads (topics: readonly string[]): Promise<Array<TopicPosition | null>> {
    this.#check()
    return await Promise.all(topics.map(async topic => {
      const [epoch, offset] = await this.#redis.hmget(this.#keys(topic)[0] as string, 'e', 'o')
      return typeof epoch === 'string' ? { epoch, offset: Number(offset) } : null
    }))
  }

  close (): void {
    this.#closed = true
  }

  /** The head and the log of a topic, in one slot. */
  #keys (topic: string): string[] {
    const tag = this.#tag(topic)
    return [`${tag}:head`, `${tag}:log`]
  }

  #id (topic: string, { key }: PublicationId): string {
    return `${this.#tag(topic)}:id:${key}`
  }

  #tag (topic: string): string {
    return `${this.#prefix}{${encodeURIComponent(toStored(topic))}}`
  }

  #check (): void {
    if (this.#closed) throw new WSA_TOPICS_ERR_STORE_CLOSED()
    requireRedis(this.#redis)
  }

  async #run (script: RedisScript, keys: string[], ...given: string[]): Promise<unknown> {
    this.#check()
    return await runRedisScript(this.#redis, script, keys, given, this.#timeout)
  }
}

function newEpoch (): string {
  return randomBytes(9).toString('base64url')
}
