import {
  instanceWith, milliseconds, nonEmptyString, optionsObject, parseOptions, type RedisScript, type RedisScriptClient, runRedisScript, toStored
} from '@fastify-airlock/core'
import * as v from 'valibot'
import { WSA_TICKET_ERR_DUPLICATE, WSA_TICKET_ERR_OPTION, WSA_TICKET_ERR_STORE_CLOSED } from '../errors.js'
import { STORE_TIMEOUT, type StoreLog, type TicketRecord, type TicketStore } from '../store.js'
import { PUT, REMOVE, REVOKE, TAKE } from './redis-scripts.js'

export { type RateRedisClient, RedisRateCounter, type RedisRateCounterOptions } from './redis-rate-counter.js'

/** The part of an ioredis connection (version 5 or 6) that {@link RedisStore} uses. */
export interface RedisClient extends RedisScriptClient {
  /** Whether it is a connection to Redis Cluster. */
  readonly isCluster: boolean
  info (section: string): Promise<string>
}

/** Options of a {@link RedisStore}. */
export interface RedisStoreOptions {
  /**
   * Prefix of all keys. Redis Cluster needs a hash tag in it, such as `{ws:ticket}:`.
   * @default 'ws:ticket:'
   */
  prefix?: string
  /**
   * Time after which nobody waits for an answer, in milliseconds. If Redis says after this time that it does not know
   * the script, the script is not sent again. Keep it equal to the plugin's `storeTimeout`.
   * @default 2000
   */
  timeout?: number
}

const redisOptions = optionsObject({
  redis: instanceWith<RedisClient>('evalsha', 'eval', 'info'),
  prefix: v.optional(nonEmptyString, 'ws:ticket:'),
  timeout: v.optional(milliseconds, STORE_TIMEOUT)
})

/** The part of a key that decides on its slot, as in the Redis Cluster specification. */
const HASH_TAG = /^[^{]*\{[^}]+\}/

/**
 * Keeps tickets in Redis, for any number of processes. Each operation is one script and one round trip. The store does
 * not close the connection.
 *
 * While there is no connection, operations fail at once. Otherwise ioredis would send them later, and use up tickets for
 * callers that have given up.
 *
 * @example
 * const redis = new Redis(process.env.REDIS_URL as string, { maxRetriesPerRequest: 0, socketTimeout: 5_000 })
 * await app.register(wsTickets, { store: new RedisStore(redis) })
 */
export class RedisStore implements TicketStore {
  readonly #redis: RedisClient
  readonly #prefix: string
  readonly #timeout: number
  #closed = false

  /**
   * @param redis an ioredis connection to one server, Sentinel or Redis Cluster, such as `fastify.redis` of
   *   `@fastify/redis`
   * @throws {@link WSA_TICKET_ERR_OPTION} when an option is wrong, or a cluster has no hash tag in the prefix
   */
  constructor (redis: RedisClient, options: RedisStoreOptions = {}) {
    const { prefix, timeout } = parseOptions(redisOptions, { ...options, redis }, WSA_TICKET_ERR_OPTION)
    if (redis.isCluster && !HASH_TAG.test(prefix)) {
      throw new WSA_TICKET_ERR_OPTION('prefix: Redis Cluster needs a hash tag, such as {ws:ticket}:, to keep all tickets in one slot')
    }
    this.#redis = redis
    this.#prefix = prefix
    this.#timeout = timeout
  }

  async ready (log: StoreLog): Promise<void> {
    const memory = await this.#redis.info('memory').catch(emptyIfForbidden)
    const limited = /^maxmemory:[^0]/m.test(memory)
    const policy = /^maxmemory_policy:(\S+)/m.exec(memory)?.[1]
    if (limited && policy !== 'noeviction') {
      log.warn({ policy }, 'Redis may evict tickets and the lists that revoke() needs: set maxmemory-policy to noeviction')
    }
  }

  async put (hash: string, record: TicketRecord, ttl: number): Promise<void> {
    const { subject, audience, expiresAt, reuse, session } = record
    const [index, name] = session === undefined ? [[], []] : [[this.#sessionIndex(session)], [toStored(session)]]
    const kept = await this.#run(
      PUT, [this.#ticket(hash), this.#index(subject), ...index],
      String(ttl), toStored(audience), String(expiresAt), reuse ? '1' : '0', JSON.stringify(record), ...name
    )
    if (kept === 0) throw new WSA_TICKET_ERR_DUPLICATE()
  }

  async take (hash: string, audience: string, now: number): Promise<TicketRecord | null> {
    const record = await this.#run(TAKE, [this.#ticket(hash)], toStored(audience), String(now)) as string | null
    return record === null ? null : JSON.parse(record)
  }

  async revoke (subject: string, session?: string): Promise<number> {
    return await this.#run(REVOKE, [this.#index(subject)], ...session === undefined ? [] : [toStored(session)]) as number
  }

  async revokeSession (session: string): Promise<number> {
    return await this.#run(REVOKE, [this.#sessionIndex(session)]) as number
  }

  async remove (hash: string): Promise<void> {
    await this.#run(REMOVE, [this.#ticket(hash)])
  }

  close (): void {
    this.#closed = true
  }

  #ticket (hash: string): string {
    return this.#prefix + hash
  }

  // Never the key of a ticket: base64url has no colon.
  #index (subject: string): string {
    return `${this.#prefix}of:${toStored(subject)}`
  }

  #sessionIndex (session: string): string {
    return `${this.#prefix}in:${toStored(session)}`
  }

  async #run (script: RedisScript, keys: string[], ...given: string[]): Promise<unknown> {
    if (this.#closed) throw new WSA_TICKET_ERR_STORE_CLOSED()
    return await runRedisScript(this.#redis, script, keys, given, this.#timeout)
  }
}

/** A user may lack the right to ask. The store is ready all the same. */
function emptyIfForbidden (error: Error): string {
  if (!error.message.startsWith('NOPERM')) throw error
  return ''
}
