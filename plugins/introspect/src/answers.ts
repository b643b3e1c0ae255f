import { hash } from 'node:crypto'
import { LruMap } from 'toad-cache'
import type { IntrospectStats } from './stats.js'
import type { Verdict } from './verdict.js'

/** What {@link Answers} are made of. */
export interface AnswersOptions {
  ask: (token: string) => Promise<Verdict>
  cacheTtl: number
  negativeCacheTtl: number
  cacheSize: number
  stats: IntrospectStats
  /**
   * The clock, in milliseconds since the epoch.
   * @default Date.now
   */
  now?: () => number
}

interface Known {
  verdict: Verdict
  /** Until when it is believed, in milliseconds since the epoch. */
  until: number
}

interface Flight {
  answer: Promise<Verdict>
  /** Subjects of whom nothing is believed that was asked before now. */
  doubted: Set<string>
}

/** The answers that are believed for a while, and one question for all who ask the same meanwhile. */
export class Answers {
  /** How often something was forgotten: an answer of an earlier count may be outdated. */
  forgotten = 0

  readonly #ask: AnswersOptions['ask']
  readonly #cacheTtl: number
  readonly #negativeCacheTtl: number
  readonly #stats: IntrospectStats
  readonly #now: () => number
  // Apart, so that a flood of bad tokens cannot push out the good ones.
  readonly #good: LruMap<Known>
  readonly #bad: LruMap<Known>
  readonly #flights = new Map<string, Flight>()

  constructor ({ ask, cacheTtl, negativeCacheTtl, cacheSize, stats, now = Date.now }: AnswersOptions) {
    this.#ask = ask
    this.#cacheTtl = cacheTtl
    this.#negativeCacheTtl = negativeCacheTtl
    this.#stats = stats
    this.#now = now
    this.#good = new LruMap(cacheSize)
    this.#bad = new LruMap(cacheSize)
  }

  /** Answers that are kept. */
  get size (): number {
    return this.#good.size + this.#bad.size
  }

  /** The verdict on a token: at once where it is known. Failures are not kept. */
  ask (token: string): Verdict | Promise<Verdict> {
    const key = hash('sha256', token, 'base64url')
    const known = this.#good.get(key) ?? this.#bad.get(key)
    if (known !== undefined && known.until > this.#now()) {
      this.#stats.hits++
      return known.verdict
    }
    const flight = this.#flights.get(key)
    if (flight !== undefined) {
      this.#stats.shared++
      return flight.answer
    }
    return this.#fly(key, token)
  }

  /** Believes nothing any more that was found out about a subject, questions under way included. */
  forget (subject: string): void {
    this.forgotten++
    for (const { doubted } of this.#flights.values()) doubted.add(subject)
    // Not by get(), which would make each the most recently used.
    for (const [key, { value: { verdict } }] of this.#good.items) {
      if (subjectOf(verdict) === subject) this.#good.delete(key)
    }
  }

  /** Forgets everything. */
  clear (): void {
    this.#good.clear()
    this.#bad.clear()
  }

  #fly (key: string, token: string): Promise<Verdict> {
    const doubted = new Set<string>()
    const answer = this.#land(key, token, doubted)
    this.#flights.set(key, { answer, doubted })
    return answer
  }

  async #land (key: string, token: string, doubted: Set<string>): Promise<Verdict> {
    try {
      let verdict: Verdict
      do {
        doubted.clear()
        verdict = await this.#ask(token)
      } while (doubted.has(subjectOf(verdict)))
      this.#keep(key, verdict)
      return verdict
    } finally {
      this.#flights.delete(key)
    }
  }

  #keep (key: string, verdict: Verdict): void {
    const now = this.#now()
    const [cache, other, until] = typeof verdict === 'string'
      ? [this.#bad, this.#good, now + this.#negativeCacheTtl]
      : [this.#good, this.#bad, Math.min(now + this.#cacheTtl, verdict.expiresAt ?? Infinity)]
    other.delete(key)
    if (until > now) cache.set(key, { verdict, until })
    else cache.delete(key)
  }
}

/** Nobody's is empty. */
function subjectOf (verdict: Verdict): string {
  return typeof verdict === 'string' ? '' : verdict.subject
}
