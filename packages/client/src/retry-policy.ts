import { backoff } from './backoff.js'
import { now } from './clock.js'
import type { AirlockError } from './errors.js'
import type { ConnectSettings } from './options.js'

/** Back-off starts over after a connection that stayed open this long, in milliseconds. */
const STABLE_MS = 30_000

/** The settings it depends on. */
type RetrySettings = Pick<ConnectSettings, 'reconnect' | 'attempts' | 'min' | 'max' | 'random'>

/** Decides whether and when to try again (PROTOCOL.md, section 9). Knows no sockets and sets no timers. */
export class RetryPolicy {
  /** Failed attempts since a connection last opened. */
  failures = 0
  readonly #settings: RetrySettings
  /** Back-offs since a connection last proved stable. */
  #backoffs = 0
  /** Whether one attempt was made without a wait since then. */
  #retriedAtOnce = false
  /** When the current connection opened; `undefined` while there is none. */
  #openedAt: number | undefined
  #mandatoryUntil = 0

  constructor (settings: RetrySettings) {
    this.#settings = settings
  }

  /**
   * What is left of the wait that the server asked for, in milliseconds; negative once it has passed. An `online` or
   * visibility event may cut a wait short, but no shorter than this.
   */
  get mandatoryWait (): number {
    return this.#mandatoryUntil - now()
  }

  /** Records that the connection has opened. */
  recordOpen (): void {
    this.failures = 0
    this.#openedAt = now()
  }

  /**
   * Records that the attempt, or the open connection, has ended.
   *
   * @returns milliseconds to wait before the next attempt; `undefined` when there is to be none
   */
  recordFailure ({ retry, wait, closeCode }: AirlockError): number | undefined {
    if (this.#openedAt === undefined) {
      this.failures++
    } else if (now() - this.#openedAt >= STABLE_MS) {
      this.#backoffs = 0
      this.#retriedAtOnce = false
    }
    this.#openedAt = undefined
    const { reconnect, attempts, max, random } = this.#settings
    if (retry === 'never' || reconnect === false || this.failures >= attempts) return undefined
    this.#mandatoryUntil = now() + wait
    // No more than a hint: the server may be on this machine or in a network without the Internet, and browsers err.
    const slowest = globalThis.navigator?.onLine === false ? max * (1 + random()) / 2 : 0
    if (retry === 'ticket' && !slowest && !this.#retriedAtOnce) {
      this.#retriedAtOnce = true
      return 0
    }
    const n = this.#backoffs++
    // A restarting server has already spread its clients over time.
    return closeCode && wait && n === 0 ? wait : Math.max(backoff(n, this.#settings), wait, slowest)
  }
}
