import { Sweep, type Sweepable } from '@fastify-airlock/core'

interface Waiting extends Sweepable {
  expire: () => void
}

/** Limits the time of any number of promises with one timer. */
export class Deadline {
  readonly #timeout: number
  readonly #sweep = new Sweep<Waiting>(waiting => waiting.expire())

  /** @param timeout in milliseconds */
  constructor (timeout: number) {
    this.#timeout = timeout
  }

  /** Settles like `answer`, or rejects after the timeout. A later answer is ignored. */
  race<T> (answer: PromiseLike<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const waiting = { due: 0, expire: () => reject(new Error(`No answer within ${this.#timeout} ms`)) }
      this.#sweep.set(waiting, this.#timeout)
      const settle = <V>(done: (value: V) => void) => (value: V): void => {
        this.#sweep.clear(waiting)
        done(value)
      }
      answer.then(settle(resolve), settle(reject))
    })
  }
}
