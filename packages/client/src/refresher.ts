import { backoff } from './backoff.js'
import { createTimer, now } from './clock.js'
import { fault, type AirlockError } from './errors.js'
import { REFRESH_INTERVAL_MS } from './limits.js'
import type { ConnectSettings } from './options.js'

/** Replaces the JWT of an open connection: when the application wants to, when the server asks, or as a probe. */
export interface Refresher {
  /** Refreshes, or joins the refresh that is running. Resolves with the server's answer. */
  refresh (): Promise<void>
  /** The server asks for a refresh: `expiring`. */
  expiring (): void
  /** The server has accepted a JWT: `refresh_ok`. */
  refreshed (): void
  /** Refreshes to find out whether the server is still there, unless a refresh has just begun. */
  probe (): void
  /** Ends everything with the connection. */
  stop (error: AirlockError): void
}

/**
 * Creates a refresher.
 *
 * @param askToken gets a JWT from the application. It is told the failed tries of this refresh, and whether the JWT in force
 *   will not do
 * @param failed a refresh failed, but the connection lives on
 * @param unanswered the server did not answer a refresh: the connection is dead
 */
export function createRefresher (
  settings: Pick<ConnectSettings, 'timeout' | 'min' | 'max' | 'random'>,
  askToken: (attempt: number, mustDiffer: boolean) => Promise<string>,
  sendToken: (token: string) => void,
  failed: (error: AirlockError) => void,
  unanswered: (error: AirlockError) => void
): Refresher {
  const schedule = createTimer()
  let running: Promise<void> | undefined
  /** Settles the running refresh. */
  let settleRunning: ((error?: AirlockError) => void) | undefined
  /** Whether the server has asked for a refresh. Then failures are retried until one succeeds. */
  let demanded = false
  /** Failed tries since the last success. */
  let failures = 0
  let startedAt = -Infinity

  function refresh (): Promise<void> {
    return (running ??= new Promise((resolve, reject) => {
      let sent = false
      const limit = createTimer()
      const settle = settleRunning = (error?: AirlockError) => {
        limit()
        running = settleRunning = undefined
        if (error) reject(error)
        else resolve()
      }
      const fail = (error: AirlockError): void => {
        if (settleRunning !== settle) return
        settle(error)
        if (demanded && error.retry !== 'never') schedule(Math.max(backoff(failures++, settings), error.wait), refreshQuietly)
        failed(error)
      }
      limit(settings.timeout, () => { (sent ? unanswered : fail)(fault('TIMEOUT')) })
      startedAt = now()
      askToken(failures, demanded).then(token => {
        if (settleRunning !== settle) return
        sent = true
        sendToken(token)
      }, fail)
    }))
  }

  /** For callers that learn of a failure from `failed`. */
  function refreshQuietly (): void {
    refresh().catch(() => {})
  }

  return {
    refresh,
    expiring () {
      demanded = true
      schedule(startedAt + REFRESH_INTERVAL_MS - now(), refreshQuietly)
    },
    refreshed () {
      demanded = false
      failures = 0
      schedule()
      settleRunning?.()
    },
    probe () {
      if (now() - startedAt > REFRESH_INTERVAL_MS) refreshQuietly()
    },
    stop (error) {
      schedule()
      settleRunning?.(error)
    }
  }
}
