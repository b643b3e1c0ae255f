import { Sweep, type Sweepable } from '@fastify-airlock/core'

/** What a refused upgrade was answered with. */
export interface Refusal {
  statusCode: number
  code: string
  message: string
}

interface Entry extends Refusal, Sweepable {
  attempt: string
}

/** Limits of {@link Refusals}. */
export interface RefusalsSettings {
  /**
   * Answers that are kept; one more takes the place of the oldest.
   * @default 1000
   */
  size?: number
  /**
   * Time that an answer is kept, in milliseconds.
   * @default 60000
   */
  ttl?: number
}

/** How a page may name its attempts. Not to be guessed, since whoever knows the name may ask. */
const ATTEMPT = /^[\w-]{16,64}$/

/** More than any answer of ours has: what is longer repeats what the client sent, and is not worth its memory. */
const MAX_LENGTH = 512

/**
 * What refused upgrades were answered with, by the name that the page gave the attempt. Browsers keep the answer from
 * pages (WHATWG WebSockets, section 4), so a page that wants to show it has to ask once more. Bounded in number, size
 * and time.
 */
export class Refusals {
  readonly #entries = new Map<string, Entry>()
  readonly #sweep = new Sweep<Entry>(({ attempt }) => { this.#entries.delete(attempt) }, { resolution: 1_000 })
  readonly #size: number
  readonly #ttl: number

  constructor ({ size = 1_000, ttl = 60_000 }: RefusalsSettings = {}) {
    this.#size = size
    this.#ttl = ttl
  }

  /** Answers that are kept. */
  get size (): number {
    return this.#entries.size
  }

  /**
   * Keeps an answer.
   *
   * @param attempt what the client says; anything but 16 to 64 letters, digits, `-` and `_` is passed over
   * @param body the JSON text of the answer
   */
  keep (attempt: unknown, statusCode: number, body: unknown): void {
    if (typeof attempt !== 'string' || !ATTEMPT.test(attempt)) return
    if (typeof body !== 'string' || body.length > MAX_LENGTH) return
    const { code, message } = JSON.parse(body) as Refusal
    this.#forget(attempt)
    const [oldest] = this.#entries.keys()
    if (oldest !== undefined && this.#entries.size >= this.#size) this.#forget(oldest)
    const entry: Entry = { attempt, statusCode, code, message, due: 0 }
    this.#entries.set(attempt, entry)
    this.#sweep.set(entry, this.#ttl)
  }

  /** What an attempt was answered with; `null` where nothing is kept of it. */
  find (attempt: string): Refusal | null {
    const entry = this.#entries.get(attempt)
    if (entry === undefined) return null
    const { statusCode, code, message } = entry
    return { statusCode, code, message }
  }

  /** Forgets everything. */
  close (): void {
    this.#entries.clear()
    this.#sweep.close()
  }

  #forget (attempt: string): void {
    const entry = this.#entries.get(attempt)
    if (entry === undefined) return
    this.#sweep.clear(entry)
    this.#entries.delete(attempt)
  }
}
