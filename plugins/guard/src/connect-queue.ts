import { type Metered, type Rate, RateLimit } from '@fastify-airlock/core'

/** Time that an upgrade may wait for its turn, in milliseconds. */
export const CONNECT_WAIT_MS = 10_000

/** Lets arrivals in at a rate, in their order. One that leaves while it waits makes room for the next. */
export class ConnectQueue<T> implements Metered {
  paidUntil: number | null = null
  readonly #limit: RateLimit
  readonly #maxWaiting: number
  readonly #now: () => number
  readonly #waiting = new Map<T, () => void>()
  #timer: NodeJS.Timeout | undefined

  /** @param now a monotonic clock, in milliseconds */
  constructor (rate: Rate, now = (): number => performance.now()) {
    this.#limit = new RateLimit(rate)
    // One more would not have its turn in time.
    this.#maxWaiting = Math.floor(rate.perSecond * CONNECT_WAIT_MS / 1_000)
    this.#now = now
  }

  /** Arrivals that wait. */
  get size (): number {
    return this.#waiting.size
  }

  /**
   * Lets an arrival in, or has it wait.
   *
   * @param enter called when it is its turn; not called where it leaves before
   * @returns `now` where it need not wait; `full` where its turn would come too late, and it does not wait
   */
  arrive (arrival: T, enter: () => void): 'now' | 'later' | 'full' {
    if (this.#waiting.size === 0 && this.#limit.take(this, this.#now())) return 'now'
    if (this.#waiting.size >= this.#maxWaiting) return 'full'
    this.#waiting.set(arrival, enter)
    this.#schedule()
    return 'later'
  }

  /** Forgets an arrival. Returns whether it waited. */
  leave (arrival: T): boolean {
    return this.#waiting.delete(arrival)
  }

  /** Lets in all whose turn it is. For tests: the timer does it by itself. */
  readonly tick = (): void => {
    clearTimeout(this.#timer)
    this.#timer = undefined
    for (const [arrival, enter] of this.#waiting) {
      if (!this.#limit.take(this, this.#now())) break
      this.#waiting.delete(arrival)
      enter()
    }
    this.#schedule()
  }

  #schedule (): void {
    if (this.#timer !== undefined || this.#waiting.size === 0) return
    this.#timer = setTimeout(this.tick, Math.ceil(this.#limit.wait(this, this.#now())))
    this.#timer.unref()
  }
}
