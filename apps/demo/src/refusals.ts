import { FifoMap } from 'toad-cache'

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
   * @default 1000
   */
  size?: number
  /**
   * How long an answer is kept, in milliseconds.
   * @default 60000
   */
  ttl?: number
}

/** The names that a page may give its attempts. Too long to guess, since anyone who knows the name may ask. */
const ATTEMPT = /^[\w-]{16,64}$/

/** Longer than any answer of ours. A longer body repeats what the client sent, and is not worth its memory. */
const MAX_LENGTH = 512

/**
 * The answers to refused upgrades, by the name that the page gave the attempt. Browsers hide the answer from pages
 * (WHATWG WebSockets, section 4), so a page has to ask for it in a second request. Limited in number, size and time.
 */
export class Refusals {
  readonly #answers: FifoMap<Refusal>

  constructor ({ size = 1_000, ttl = 60_000 }: RefusalsOptions = {}) {
    this.#answers = new FifoMap(size, ttl)
  }

  /** Answers in memory. One that is too old stays until somebody asks for it, or newer ones replace it. */
  get size (): number {
    return this.#answers.size
  }

  /**
   * Keeps an answer.
   *
   * @param attempt name from the client; ignored unless it is 16 to 64 letters, digits, `-` and `_`
   * @param body the JSON text of the answer
   */
  keep (attempt: unknown, statusCode: number, body: unknown): void {
    if (typeof attempt !== 'string' || !ATTEMPT.test(attempt)) return
    if (typeof body !== 'string' || body.length > MAX_LENGTH) return
    const { code, message } = JSON.parse(body) as Refusal
    // Deleted first: an attempt that is set again would keep its place as one of the oldest.
    this.#answers.delete(attempt)
    this.#answers.set(attempt, { statusCode, code, message })
  }

  /** The answer to an attempt; `null` if there is none. */
  find (attempt: string): Refusal | null {
    return this.#answers.get(attempt) ?? null
  }

  /** Forgets all answers. */
  close (): void {
    this.#answers.clear()
  }
}
