import { Deadline, peek } from '@fastify-airlock/core'
import type { TicketRateCounter, TicketRateState } from './rate-counter.js'

/** How long a counter that has failed is left alone, in milliseconds. */
const PAUSE = 1_000

/** Settings of a {@link ClusterRate}. */
export interface ClusterRateSettings {
  counter: TicketRateCounter
  max: number
  /** In milliseconds. */
  timeWindow: number
  /** Time that the counter has for an answer, in milliseconds. */
  timeout: number
  log: { info (text: string): void, warn (details: object, text: string): void }
  /**
   * A monotonic clock, in milliseconds.
   * @default performance.now
   */
  now?: (() => number) | undefined
}

/**
 * Limits how often each subject gets a ticket, over all nodes. While the counter is away everything passes here: each node has a
 * limit of its own beside this one.
 */
export class ClusterRate {
  readonly stats: TicketRateState = { state: 'up', taken: 0, refused: 0, failed: 0 }
  readonly #settings: ClusterRateSettings
  readonly #now: () => number
  readonly #deadline: Deadline
  #askAgain = 0

  constructor (settings: ClusterRateSettings) {
    this.#settings = settings
    this.#now = settings.now ?? (() => performance.now())
    this.#deadline = new Deadline(settings.timeout)
  }

  /**
   * Counts a request; never rejects.
   *
   * @returns 0 where it may pass, else after how many milliseconds the next may
   */
  async take (subject: string): Promise<number> {
    const { stats } = this
    const { counter, max, timeWindow, log } = this.#settings
    const now = this.#now()
    if (stats.state === 'down') {
      if (now < this.#askAgain) return 0
      // One request finds out for all.
      this.#askAgain = now + PAUSE
    }
    let wait: number
    try {
      wait = await this.#deadline.race(counter.take(subject, max, timeWindow))
      if (!Number.isFinite(wait) || wait < 0) throw new TypeError('Expected a number of milliseconds from the counter')
    } catch (error) {
      stats.failed++
      this.#askAgain = this.#now() + PAUSE
      if (stats.state === 'up') {
        stats.state = 'down'
        // Only the message: a client may attach the command to its error.
        log.warn({ reason: peek(error, 'message') }, 'tickets cannot be counted over all nodes: the limit of this node applies')
      }
      return 0
    }
    if (stats.state === 'down') {
      stats.state = 'up'
      log.info('tickets are counted over all nodes again')
    }
    if (wait > 0) stats.refused++
    else stats.taken++
    return wait
  }
}
