import type { Sweepable } from '@fastify-airlock/core'
import type { Lane } from './lane.js'
import type { Verdict } from './verdict.js'

/** Finds a verdict, or throws if it cannot. */
export type Ask = (token: string, signal: AbortSignal) => Promise<Verdict>

/** For whom a question is asked. */
export interface Origin {
  /** With whom the question takes turns: a client address, or another name for a re-check; empty where there is no address. */
  party: string
  /** Whether the token was good before, or is re-checked. */
  isKnown: boolean
  /** Whether the party may have no more than `pendingPerAddress` questions. */
  isBounded: boolean
}

/** Something with a deadline. */
export interface Timed extends Sweepable {
  expire (): void
}

/** A question was asked so late that the authority had less than its time for the answer. That is not its fault. */
export class Overdue extends Error {
  constructor () {
    super('The question waited too long for its turn')
  }
}

/** A question that waits for its turn or for its answer. */
export class Question implements Timed {
  due = 0
  readonly token: string
  readonly origin: Origin
  readonly lane: Lane<Question>
  /** Rejects with an error of this plugin, or the one that {@link settle} was given. */
  readonly verdict: Promise<Verdict>
  /** When nobody waits for the answer any more, in milliseconds of a monotonic clock. */
  until = 0
  #controller: AbortController | null = null
  readonly #expired: () => Error
  #resolve: ((verdict: Verdict) => void) | undefined
  #reject: ((reason: Error) => void) | undefined
  #fail: ((reason: Error) => void) | undefined

  /** @param expired makes the error of a question that has had its time */
  constructor (token: string, origin: Origin, lane: Lane<Question>, expired: () => Error) {
    this.token = token
    this.origin = origin
    this.lane = lane
    this.#expired = expired
    this.verdict = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  /** Whether it had its turn. */
  get isAsked (): boolean {
    return this.#controller !== null
  }

  /** Whether it was ended without an answer. */
  get isAborted (): boolean {
    return this.#controller?.signal.aborted === true
  }

  /** Asks, until there is an answer or {@link abort} is called. */
  async pose (ask: Ask): Promise<Verdict> {
    const { signal } = this.#controller = new AbortController()
    return await new Promise((resolve, reject) => {
      this.#fail = reject
      ask(this.token, signal).then(resolve, reject)
    })
  }

  /** Ends a question that was asked. */
  abort (reason: Error): void {
    this.#fail?.(reason)
    this.#controller?.abort(reason)
  }

  expire (): void {
    this.abort(this.#expired())
  }

  /** Tells those who wait for it how it ended. */
  settle (outcome: Verdict | Error): void {
    if (outcome instanceof Error) this.#reject?.(outcome)
    else this.#resolve?.(outcome)
  }
}
