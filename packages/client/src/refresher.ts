import { backoff } from './backoff.js'
import { later, now } from './clock.js'
import { fault, type AirlockError } from './errors.js'
import type { ConnectSettings } from './options.js'

/** Least time between the starts of two refreshes, in milliseconds: the average rate that a server allows. */
const REFRESH_INTERVAL_MS = 1_000

/** What a refresher needs from its attempt. */
export interface RefresherHost {
  /**
   * Gets a JWT from the application.
   *
   * @param attempt failed tries of this refresh
   * @param mustDiffer whether the JWT in force will not do
   */
  askToken (attempt: number, mustDiffer: boolean): Promise<string>
  sendToken (token: string): void
  /** A refresh failed, but the connection lives on. */
  failed (error: AirlockError): void
  /** The server did not answer a refresh: the connection is dead. */
  unanswered (error: AirlockError): void
}

/** Replaces the JWT of an open connection: when the application wants to, when the server asks, or as a probe. */
export class Refresher {
  readonly #settings: Pick<ConnectSettings, 'timeout' | 'min' | 'max' | 'random'>
  readonly #host: RefresherHost
  #running: Promise<void> | undefined
  /** Settles the running refresh. */
  #settle: ((error?: AirlockError) => void) | undefined
  /** Whether the server has asked for a refresh. Then failures are retried until one succeeds. */
  #demanded = false
  /** Failed tries since the last success. */
  #failures = 0
  #startedAt = -Infinity
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor (settings: Pick<ConnectSettings, 'timeout' | 'min' | 'max' | 'random'>, host: RefresherHost) {
    this.#settings = settings
    this.#host = host
  }

  /** Refreshes, or joins the refresh that is running. Resolves with the server's answer. */
  refresh (): Promise<void> {
    this.#running ??= new Promise((resolve, reject) => {
      let sent = false
      const settle = this.#settle = error => {
        clearTimeout(limit)
        this.#running = this.#settle = undefined
        if (error) reject(error)
        else resolve()
      }
      const fail = (error: AirlockError): void => {
        if (this.#settle !== settle) return
        settle(error)
        if (this.#demanded && error.retry !== 'never') {
          this.#schedule(Math.max(backoff(this.#failures++, this.#settings), error.wait))
        }
        this.#host.failed(error)
      }
      const limit = later(this.#settings.timeout, () => {
        const error = fault('TIMEOUT')
        if (sent) this.#host.unanswered(error)
        else fail(error)
      })
      this.#startedAt = now()
      this.#host.askToken(this.#failures, this.#demanded).then(token => {
        if (this.#settle !== settle) return
        sent = true
        this.#host.sendToken(token)
      }, fail)
    })
    return this.#running
  }

  /** The server asks for a refresh: `expiring`. */
  demand (): void {
    this.#demanded = true
    this.#schedule(this.#startedAt + REFRESH_INTERVAL_MS - now())
  }

  /** The server has accepted a JWT: `refresh_ok`. */
  accept (): void {
    this.#demanded = false
    this.#failures = 0
    clearTimeout(this.#timer)
    this.#settle?.()
  }

  /** Refreshes to find out whether the server is still there, unless a refresh has just begun. */
  probe (): void {
    if (now() - this.#startedAt > REFRESH_INTERVAL_MS) this.#refreshQuietly()
  }

  /** Ends everything with the connection. */
  stop (error: AirlockError): void {
    clearTimeout(this.#timer)
    this.#settle?.(error)
  }

  #schedule (ms: number): void {
    clearTimeout(this.#timer)
    this.#timer = later(ms, () => { this.#refreshQuietly() })
  }

  /** For callers that learn of a failure from `failed`. */
  #refreshQuietly (): void {
    this.refresh().catch(() => {})
  }
}
