import { isThenable, peek, Sweep, type Sweepable } from '@fastify-airlock/core'
import type { StoreOutage } from './store-outage.js'

interface Waiting extends Sweepable {
  readonly expire: () => void
}

/** Limits the time that a store, or a hook, has for an answer. */
export class StoreCalls {
  readonly #timeout: number
  readonly #outage: StoreOutage | undefined
  readonly #sweep = new Sweep<Waiting>(waiting => waiting.expire())

  /**
   * @param timeout in milliseconds
   * @param outage told of what is answered and what is not
   */
  constructor (timeout: number, outage?: StoreOutage) {
    this.#timeout = timeout
    this.#outage = outage
  }

  /** Calls the store. Rejects with what it throws, and when it has no answer in time; a later one is ignored. */
  async ask<T> (call: () => T | PromiseLike<T>): Promise<T> {
    try {
      const given = call()
      const answer = isThenable(given) ? await this.#race(given) : given
      this.#outage?.answered()
      return answer
    } catch (error) {
      // The server closes.
      if (peek(error, 'code') !== 'WSA_TOPICS_ERR_STORE_CLOSED') this.#outage?.note(error)
      throw error
    }
  }

  async #race<T> (answer: PromiseLike<T>): Promise<T> {
    return await new Promise<T>((resolve, reject) => {
      const waiting: Waiting = { due: 0, expire: () => reject(new Error(`No answer within ${this.#timeout} ms`)) }
      this.#sweep.set(waiting, this.#timeout)
      const settle = <V>(done: (value: V) => void) => (value: V): void => {
        this.#sweep.clear(waiting)
        done(value)
      }
      answer.then(settle(resolve), settle(reject))
    })
  }
}
