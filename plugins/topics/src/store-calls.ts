import { Deadline, isThenable, peek } from '@fastify-airlock/core'
import type { StoreOutage } from './store-outage.js'

/** Limits the time that a store, or a hook, has for an answer. */
export class StoreCalls {
  readonly #deadline: Deadline
  readonly #outage: StoreOutage | undefined

  /**
   * @param timeout in milliseconds
   * @param outage told of what is answered and what is not
   */
  constructor (timeout: number, outage?: StoreOutage) {
    this.#deadline = new Deadline(timeout)
    this.#outage = outage
  }

  /** Calls the store. Rejects with what it throws, and when it has no answer in time; a later one is ignored. */
  async ask<T> (call: () => T | PromiseLike<T>): Promise<T> {
    try {
      const given = call()
      const answer = isThenable(given) ? await this.#deadline.race(given) : given
      this.#outage?.answered()
      return answer
    } catch (error) {
      // The server closes.
      if (peek(error, 'code') !== 'WSA_TOPICS_ERR_STORE_CLOSED') this.#outage?.note(error)
      throw error
    }
  }
}
