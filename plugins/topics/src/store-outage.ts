import { peek } from '@fastify-airlock/core'
import type { FastifyBaseLogger } from 'fastify'

/** For how long no call may have failed, in milliseconds, before an outage counts as over: a store may fail one call in two. */
const QUIET_MS = 1_000

/** Logs an outage of the store once when it begins and once when it ends, however many calls fail meanwhile. */
export class StoreOutage {
  readonly #log: Pick<FastifyBaseLogger, 'error' | 'info'>
  readonly #now: () => number
  /** Calls that have failed since it began; 0 where there is none. */
  #failed = 0
  #began = 0
  #last = 0

  /** @param now in milliseconds, from any start */
  constructor (log: Pick<FastifyBaseLogger, 'error' | 'info'>, now: () => number = () => performance.now()) {
    this.#log = log
    this.#now = now
  }

  /** A call has failed. */
  note (error: unknown): void {
    this.#last = this.#now()
    if (this.#failed++ > 0) return
    this.#began = this.#last
    // Only the message: a driver may attach the command to its error, with password and payload.
    this.#log.error({ reason: peek(error, 'message') }, 'the store of topics fails: publications and subscriptions are put off')
  }

  /** A call was answered. */
  answered (): void {
    if (this.#failed === 0 || this.#now() - this.#last < QUIET_MS) return
    this.#log.info({ failed: this.#failed, away: Math.round(this.#last - this.#began) }, 'the store of topics answers again')
    this.#failed = 0
  }
}
