import CircuitBreaker from 'opossum'
import { LruMap } from 'toad-cache'
import type { CircuitBreakerSettings } from './circuit-breaker.js'
import { Overdue } from './question.js'
import type { Verdict } from './verdict.js'

/** How long a failure is held against an address, in milliseconds: as long as `opossum` counts it. */
const MEMORY = 10_000

/** Number of addresses whose last failure is remembered. */
const ADDRESSES = 10_000

/**
 * Leaves a failing authority alone for a while. A stranger may know of tokens that the authority fails on, and must not be
 * able to shut out everybody by them: while the circuit is open, it stops an address if one of its own questions has failed
 * lately. Questions about tokens that were good before stop everybody if they fail, since no stranger can ask them.
 */
export class Breaker {
  readonly #circuit: CircuitBreaker<[() => Promise<Verdict>], Verdict>
  readonly #failures = new LruMap<number>(ADDRESSES)
  /** When a token that was good before has failed last; `undefined` if one has been answered since. */
  #knownFailure: number | undefined
  readonly #now: () => number

  /** @param now a monotonic clock, in milliseconds */
  constructor (settings: CircuitBreakerSettings, now: () => number) {
    this.#now = now
    this.#circuit = new CircuitBreaker(pose => pose(), {
      ...settings,
      timeout: false,
      enableSnapshots: false,
      rollingPercentilesEnabled: false,
      errorFilter: error => error instanceof Overdue
    })
  }

  /**
   * Whether a question is not to be asked now.
   *
   * @param address of the client; empty where there is none
   * @param isKnown whether the token was good before
   */
  stops (address: string, isKnown: boolean): boolean {
    return !this.#takesPart && (this.#isRecent(this.#knownFailure) || (!isKnown && this.#isRecent(this.#failures.get(address))))
  }

  /** Asks a question that is not stopped, and notes how it ends. */
  async fire (pose: () => Promise<Verdict>, address: string, isKnown: boolean): Promise<Verdict> {
    try {
      const verdict = await (this.#takesPart ? this.#circuit.fire(pose) : pose())
      if (isKnown) this.#knownFailure = undefined
      else this.#failures.delete(address)
      return verdict
    } catch (error) {
      if (!(error instanceof Overdue)) {
        if (isKnown) this.#knownFailure = this.#now()
        else this.#failures.set(address, this.#now())
      }
      throw error
    }
  }

  /** Stops its timers. */
  close (): void {
    this.#circuit.shutdown()
  }

  /** Whether the circuit takes questions: it is closed, or wants to try one. */
  get #takesPart (): boolean {
    return this.#circuit.closed || this.#circuit.pendingClose
  }

  #isRecent (at: number | undefined): boolean {
    return at !== undefined && this.#now() - at < MEMORY
  }
}
