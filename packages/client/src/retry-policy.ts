import { backoff } from './backoff.js'
import { now } from './clock.js'
import type { AirlockError } from './errors.js'
import { STABLE_MS } from './limits.js'
import type { ConnectSettings } from './options.js'

/** The settings it depends on. */
export type RetrySettings = Pick<ConnectSettings, 'reconnect' | 'attempts' | 'min' | 'max' | 'random'>

/** Decides whether and when to try again (PROTOCOL.md, section 9). Knows no sockets and sets no timers. */
export interface RetryPolicy {
  /** Failed attempts since a connection last opened. */
  attempts: number
  /**
   * What is left of the wait that the server asked for, in milliseconds; negative once it has passed. An `online` or
   * visibility event may cut a wait short, but no shorter than this.
   */
  wait (): number
  /** Records that the connection has opened. */
  open (): void
  /**
   * Records that the attempt, or the open connection, has ended.
   *
   * @param awaited whether somebody waits for it now
   * @returns milliseconds to wait before the next attempt; `undefined` when there is to be none
   */
  fail (error: AirlockError, awaited?: boolean): number | undefined
}

/** Creates the policy of one connection. */
export function createRetryPolicy (settings: RetrySettings): RetryPolicy {
  /** Back-offs since a connection last proved stable. */
  let backoffs = 0
  /** Whether one attempt was made without a wait since then. */
  let retriedAtOnce = false
  /** When the current connection opened; `undefined` while there is none. */
  let openedAt: number | undefined
  let mandatoryUntil = 0

  const policy: RetryPolicy = {
    attempts: 0,
    wait: () => mandatoryUntil - now(),
    open () {
      policy.attempts = 0
      openedAt = now()
    },
    fail ({ retry, wait, closeCode }, awaited) {
      if (openedAt === undefined) {
        policy.attempts++
      } else if (now() - openedAt >= STABLE_MS) {
        backoffs = 0
        retriedAtOnce = false
      }
      openedAt = undefined
      if (retry === 'never' || settings.reconnect === false || policy.attempts >= settings.attempts) return undefined
      mandatoryUntil = now() + wait
      // No more than a hint: the server may be on this machine or in a network without the Internet, and browsers err.
      const slowest = globalThis.navigator?.onLine === false ? settings.max * (1 + settings.random()) / 2 : 0
      if ((retry === 'ticket' || awaited) && !slowest && !retriedAtOnce) {
        retriedAtOnce = true
        return wait
      }
      const n = backoffs++
      // A restarting server has already spread its clients over time.
      return closeCode && wait && !n ? wait : Math.max(backoff(n, settings), wait, slowest)
    }
  }
  return policy
}
