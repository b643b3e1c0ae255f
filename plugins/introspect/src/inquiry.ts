import { Sweep, type Sweepable } from '@fastify-airlock/core'
import CircuitBreaker from 'opossum'
import { inspect } from 'node:util'
import type { CircuitBreakerSettings } from './circuit-breaker.js'
import { WSA_INTROSPECT_ERR_BUSY, WSA_INTROSPECT_ERR_UNAVAILABLE } from './errors.js'
import { channels, type IntrospectAskEvent } from './events.js'
import type { IntrospectStats } from './stats.js'
import type { Verdict } from './verdict.js'

/** Finds a verdict, or throws if it cannot. */
export type Ask = (token: string, signal: AbortSignal) => Promise<Verdict>

/** Settings of an {@link Inquiry}. */
export interface InquirySettings {
  ask: Ask
  timeout: number
  concurrency: number
  maxPending: number
  circuitBreaker: CircuitBreakerSettings | null
  stats: IntrospectStats
  log: {
    error (details: { err: unknown }, text: string): void
    info (text: string): void
  }
  /**
   * A monotonic clock, in milliseconds.
   * @default performance.now
   */
  now?: () => number
}

interface Question extends Sweepable {
  start: () => void
  fail: (reason: Error) => void
}

/** Asks questions. Limits their time and number, and stops for a while if the authority keeps failing. */
export class Inquiry {
  readonly #ask: Ask
  readonly #timeout: number
  readonly #concurrency: number
  readonly #maxPending: number
  readonly #stats: IntrospectStats
  readonly #log: InquirySettings['log']
  readonly #now: () => number
  readonly #breaker: CircuitBreaker<[string], Verdict> | null
  readonly #questions: Sweep<Question>
  readonly #running = new Set<Question>()
  readonly #waiting = new Set<Question>()
  #failing = false
  #closed = false

  constructor ({
    ask, timeout, concurrency, maxPending, circuitBreaker, stats, log, now = () => performance.now()
  }: InquirySettings) {
    this.#ask = ask
    this.#timeout = timeout
    this.#concurrency = concurrency
    this.#maxPending = maxPending
    this.#stats = stats
    this.#log = log
    this.#now = now
    this.#questions = new Sweep(
      question => question.fail(new Error(`No answer within ${timeout} ms`)),
      { resolution: Math.min(100, Math.ceil(timeout / 10)), now }
    )
    this.#breaker = circuitBreaker === null
      ? null
      : new CircuitBreaker((token: string) => this.#question(token), {
        ...circuitBreaker, timeout: false, enableSnapshots: false, rollingPercentilesEnabled: false
      })
  }

  /** Number of questions without an answer, asked or not. */
  get pending (): number {
    return this.#questions.size
  }

  /**
   * Asks about a token.
   *
   * @throws {@link WSA_INTROSPECT_ERR_BUSY} when too many questions wait
   * @throws {@link WSA_INTROSPECT_ERR_UNAVAILABLE} when there is no reliable answer
   */
  async ask (token: string): Promise<Verdict> {
    if (this.#questions.size >= this.#maxPending) {
      this.#stats.busy++
      throw new WSA_INTROSPECT_ERR_BUSY()
    }
    try {
      const verdict = await (this.#breaker === null ? this.#question(token) : this.#breaker.fire(token))
      if (this.#failing) this.#log.info('the authority answers for tokens again')
      this.#failing = false
      return verdict
    } catch (error) {
      const cause = withoutToken(error, token)
      // Once for each outage: failed requests are logged anyway.
      if (!this.#failing && !this.#closed) this.#log.error({ err: cause }, 'the authority cannot be asked about tokens')
      this.#failing = true
      throw new WSA_INTROSPECT_ERR_UNAVAILABLE({ cause })
    }
  }

  /** Fails all questions. */
  close (): void {
    this.#closed = true
    this.#breaker?.shutdown()
    this.#waiting.clear()
    for (const question of [...this.#questions]) question.fail(new Error('The server is closing'))
  }

  async #question (token: string): Promise<Verdict> {
    if (this.#closed) throw new Error('The server is closing')
    const start = this.#now()
    this.#stats.asked++
    try {
      const verdict = await this.#inTime(token)
      if (typeof verdict === 'string') this.#stats.refused++
      this.#publish(typeof verdict === 'string' ? verdict : 'active', start)
      return verdict
    } catch (error) {
      this.#stats.failed++
      this.#publish('failed', start)
      throw error
    }
  }

  #inTime (token: string): Promise<Verdict> {
    return new Promise((resolve, reject) => {
      const controller = new AbortController()
      const question: Question = {
        due: 0,
        start: () => {
          this.#ask(token, controller.signal).then(resolve, reject).finally(() => this.#leave(question))
        },
        fail: reason => {
          reject(reason)
          controller.abort(reason)
          this.#leave(question)
        }
      }
      this.#questions.set(question, this.#timeout)
      // The queue is not left to the pool of connections: there, each question that is given up while it waits costs a
      // connection, and an authority that comes back after a hang could not be asked for as long as that takes.
      this.#waiting.add(question)
      this.#fill()
    })
  }

  #fill (): void {
    for (const question of this.#waiting) {
      if (this.#running.size >= this.#concurrency) return
      this.#waiting.delete(question)
      this.#running.add(question)
      question.start()
    }
  }

  #leave (question: Question): void {
    this.#questions.clear(question)
    this.#waiting.delete(question)
    // Not at once: the next questions may be given up in the same moment.
    if (this.#running.delete(question)) queueMicrotask(() => this.#fill())
  }

  #publish (outcome: IntrospectAskEvent['outcome'], start: number): void {
    if (!channels.ask.hasSubscribers) return
    channels.ask.publish({ outcome, duration: this.#now() - start } satisfies IntrospectAskEvent)
  }
}

/** A shorter token is no secret, and may be part of a harmless word. */
const SECRET_LENGTH = 8

/** Replaces the error if a log would show the token anywhere in it. */
function withoutToken (error: unknown, token: string): unknown {
  if (token.length < SECRET_LENGTH) return error
  const shown = inspect(error)
  return shown.includes(token) || shown.includes(encodeURIComponent(token))
    ? new Error('The error is withheld because it shows the token')
    : error
}
