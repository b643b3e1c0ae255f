import { copyOf } from '@fastify-airlock/core'

/** The answer to a refused upgrade. */
export interface Refusal {
  statusCode: number
  code: string
  message: string
}

/** Options of {@link Refusals}. */
export interface RefusalsOptions {
  /**
   * Most answers that are kept; one more replaces the oldest.
   * @default 10000
   */
  size?: number
  /**
   * Most answers that are kept for one address; one more replaces the address's newest. So a flood leaves what was there
   * before, and a page that asks at once finds its answer all the same.
   * @default 100
   */
  perAddress?: number
  /**
   * How long an answer is kept, in milliseconds.
   * @default 60000
   */
  ttl?: number
  /** @default Date.now */
  now?: () => number
}

interface Kept extends Refusal {
  address: string
  until: number
}

/** The names that a page may give its attempts. Too long to guess, since anyone who knows the name may ask. */
const ATTEMPT = /^[\w-]{16,64}$/

/** Whether a text has the form of a page's name of an attempt. */
export function isAttempt (text: unknown): text is string {
  return typeof text === 'string' && ATTEMPT.test(text)
}

/** Longer than any answer of ours. A longer body repeats what the client sent, and is not worth its memory. */
const MAX_LENGTH = 512

/**
 * The answers to refused upgrades, by the name that the page gave the attempt. Browsers hide the answer from pages
 * (WHATWG WebSockets, section 4), so a page has to ask for it in a second request. Limited in number, size and time.
 */
export class Refusals {
  /** By attempt, the oldest first. */
  readonly #answers = new Map<string, Kept>()
  /** By address, the oldest attempt first. */
  readonly #attempts = new Map<string, Set<string>>()
  readonly #size: number
  readonly #perAddress: number
  readonly #ttl: number
  readonly #now: () => number

  constructor ({ size = 10_000, perAddress = 100, ttl = 60_000, now = Date.now }: RefusalsOptions = {}) {
    this.#size = size
    this.#perAddress = perAddress
    this.#ttl = ttl
    this.#now = now
  }

  /** Answers in memory. One that is too old stays until somebody asks for it, or another one is kept. */
  get size (): number {
    return this.#answers.size
  }

  /**
   * Keeps an answer.
   *
   * @param attempt name from the client; ignored unless it is 16 to 64 letters, digits, `-` and `_`
   * @param body the JSON text of the answer
   * @param from address of the client
   */
  keep (given: unknown, statusCode: number, body: unknown, from = ''): void {
    if (!isAttempt(given)) return
    if (typeof body !== 'string' || body.length > MAX_LENGTH) return
    const { code, message } = JSON.parse(body) as Refusal
    // They may be parts of long headers.
    const [attempt, address] = [copyOf(given), copyOf(from)]
    this.#forget(attempt)
    this.#sweep()
    const attempts = this.#attempts.get(address) ?? new Set()
    if (attempts.size >= this.#perAddress) this.#forget([...attempts].at(-1) as string)
    this.#attempts.set(address, attempts.add(attempt))
    this.#answers.set(attempt, { statusCode, code, message, address, until: this.#now() + this.#ttl })
    if (this.#answers.size > this.#size) this.#forget(this.#answers.keys().next().value as string)
  }

  /** The answer to an attempt; `null` if there is none. */
  find (attempt: string): Refusal | null {
    this.#sweep()
    const kept = this.#answers.get(attempt)
    if (kept === undefined) return null
    const { statusCode, code, message } = kept
    return { statusCode, code, message }
  }

  /** Forgets all answers. */
  close (): void {
    this.#answers.clear()
    this.#attempts.clear()
  }

  /** Forgets what is too old: all are kept for the same time, so these are the first. */
  #sweep (): void {
    const now = this.#now()
    for (const [attempt, { until }] of this.#answers) {
      if (until > now) return
      this.#forget(attempt)
    }
  }

  #forget (attempt: string): void {
    const kept = this.#answers.get(attempt)
    if (kept === undefined) return
    this.#answers.delete(attempt)
    const attempts = this.#attempts.get(kept.address) as Set<string>
    attempts.delete(attempt)
    if (attempts.size === 0) this.#attempts.delete(kept.address)
  }
}
