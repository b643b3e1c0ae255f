import { type Misuse, Sweep, type Sweepable } from '@fastify-airlock/core'
import { WSA_TICKET_ERR_UNAVAILABLE } from './errors.js'

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

  /**
   * Settles like `answer`, or rejects after the timeout. A later answer is ignored.
   *
   * @param failure makes the error that it rejects with
   * @default failure the error itself
   */
  race<T> (answer: PromiseLike<T>, failure = (error: Error): Error => error): Promise<T> {
    return new Promise((resolve, reject) => {
      const waiting = { due: 0, expire: () => reject(failure(new Error(`No answer within ${this.#timeout} ms`))) }
      this.#sweep.set(waiting, this.#timeout)
      const settle = <V>(done: (value: V) => void) => (value: V): void => {
        this.#sweep.clear(waiting)
        done(value)
      }
      answer.then(settle(resolve), settle(reject))
    })
  }
}

/** Limits the time of the application's own functions. */
export class HookDeadline {
  readonly #deadline: Deadline
  readonly #misuse: Misuse

  /** @param timeout in milliseconds */
  constructor (timeout: number, misuse: Misuse) {
    this.#deadline = new Deadline(timeout)
    this.#misuse = misuse
  }

  /**
   * Settles like `answer`.
   *
   * @param hook the name of the function, for the log
   * @throws {@link WSA_TICKET_ERR_UNAVAILABLE} when there is no answer in time
   */
  race<T> (hook: string, answer: PromiseLike<T>): Promise<T> {
    return this.#deadline.race(answer, error => {
      this.#misuse.late({ hook }, 'route.hookTimeout')
      return new WSA_TICKET_ERR_UNAVAILABLE({ cause: error })
    })
  }
}
