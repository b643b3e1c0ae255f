import { isThenable, Sweep, type Sweepable } from '@fastify-airlock/core'

interface Waiting extends Sweepable {
  readonly expire: () => void
}

/** Limits the time that a store has for an answer. */
export class StoreCalls {
  readonly #timeout: number
  readonly #sweep = new Sweep<Waiting>(waiting => waiting.expire())

  /** @param timeout in milliseconds */
  constructor (timeout: number) {
    this.#timeout = timeout
  }

  /** Calls the store. Rejects with what it throws, and when it has no answer in time; a later one is ignored. */
  async ask<T> (call: () => T | PromiseLike<T>): Promise<T> {
    const answer = call()
    if (!isThenable(answer)) return answer
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
