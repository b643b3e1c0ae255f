import { Sweep, type Sweepable } from './sweep.js'

interface Waiting extends Sweepable {
  readonly expire: () => void
}

/** Limits the time of any number of promises with one timer, which keeps no process alive. */
export class Deadline {
  readonly #timeout: number
  readonly #sweep: Sweep<Waiting>

  /**
   * @param timeout in milliseconds
   * @param now a monotonic clock, in milliseconds
   * @default now performance.now
   */
  constructor (timeout: number, now: (() => number) | undefined = undefined) {
    this.#timeout = timeout
    this.#sweep = new Sweep(waiting => waiting.expire(), now && { now })
  }

  /**
   * Settles like `answer`, or rejects after the timeout. A later answer is ignored.
   *
   * @param failure makes the error that it rejects with
   * @default failure the error itself
   */
  race<T> (answer: PromiseLike<T>, failure = (error: Error): unknown => error): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const waiting: Waiting = { due: 0, expire: () => reject(failure(new Error(`No answer within ${this.#timeout} ms`))) }
      this.#sweep.set(waiting, this.#timeout)
      const settle = <V>(done: (value: V) => void) => (value: V): void => {
        this.#sweep.clear(waiting)
        done(value)
      }
      // Not every thenable keeps to the rules: it may throw, or bring another one.
      Promise.resolve(answer).then(settle(resolve), settle(reject))
    })
  }

  /** Ends everything that is late. The timer does so as well. */
  tick (): void {
    this.#sweep.tick()
  }

  /** Waits for nothing any more: what is not answered by then never is. */
  close (): void {
    this.#sweep.close()
  }
}
