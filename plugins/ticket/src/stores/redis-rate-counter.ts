import { instanceWith, keyHash, milliseconds, nonEmptyString, optionsObject, parseOptions, type RedisScriptClient, runRedisScript } from '@fastify-airlock/core'
import * as v from 'valibot'
import { WSA_TICKET_ERR_OPTION } from '../errors.js'
import type { TicketRateCounter } from '../rate-counter.js'
import { STORE_TIMEOUT } from '../store.js'
import { COUNT } from './redis-scripts.js'

/** Options of a {@link RedisRateCounter}. */
export interface RedisRateCounterOptions {
  /**
   * Prefix of all keys.
   * @default 'ws:rate:'
   */
  prefix?: string
  /**
   * Time after which nobody waits for an answer, in milliseconds. Keep it equal to the plugin's `storeTimeout`.
   * @default 2000
   */
  timeout?: number
}

const counterOptions = optionsObject({
  redis: instanceWith<RateRedisClient>('evalsha', 'eval'),
  prefix: v.optional(nonEmptyString, 'ws:rate:'),
  timeout: v.optional(milliseconds, STORE_TIMEOUT)
})

/** The part of an ioredis connection (version 5 or 6) that {@link RedisRateCounter} uses. */
export interface RateRedisClient extends RedisScriptClient {}

/**
 * Counts requests for tickets in Redis, for any number of nodes. Each call is one script and one round trip; the names of subjects
 * are hashed, and a key ends with its window. The counter does not close the connection.
 *
 * @example
 * const counter = new RedisRateCounter(redis)
 * await app.register(wsTickets, { store: new RedisStore(redis), route: { rateLimit: { max: 60, counter } } })
 */
export class RedisRateCounter implements TicketRateCounter {
  readonly #redis: RateRedisClient
  readonly #prefix: string
  readonly #timeout: number

  /**
   * @param redis an ioredis connection to one server, Sentinel or Redis Cluster
   * @throws {@link WSA_TICKET_ERR_OPTION} when an option is wrong
   */
  constructor (redis: RateRedisClient, options: RedisRateCounterOptions = {}) {
    const { prefix, timeout } = parseOptions(counterOptions, { ...options, redis }, WSA_TICKET_ERR_OPTION)
    this.#redis = redis
    this.#prefix = prefix
    this.#timeout = timeout
  }

  async take (subject: string, max: number, timeWindow: number): Promise<number> {
    return await runRedisScript(this.#redis, COUNT, [this.#prefix + keyHash(subject)], [String(max), String(timeWindow)], this.#timeout) as number
  }
}
