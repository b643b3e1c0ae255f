import { hash } from 'node:crypto'
import { LruMap } from 'toad-cache'
import type { IntrospectStats } from './stats.js'
import type { Verdict } from './verdict.js'

/** Settings of {@link Answers}. */
export interface AnswersSettings {
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
  /** When it is forgotten, in milliseconds since the epoch. */
  until: number
}

interface Flight {
  answer: Promise<Verdict>
  /** Subjects that were forgotten since the question was asked. */
  doubted: Set<string>
}

/** Caches answers for a while, and asks one question for all who ask the same meanwhile. */
export class Answers {
  /** How often a subject was forgotten. An answer from before the last time may be outdated. */
  forgotten = 0

  readonly #ask: AnswersSettings['ask']
  readonly #cacheTtl: number
  readonly #negativeCacheTtl: number
  readonly #stats: IntrospectStats
  readonly #now: () => number
  // Separate, so that a flood of bad tokens cannot push out good ones.
  readonly #good: LruMap<Known>
  readonly #bad: LruMap<Known>
  readonly #flights = new Map<string, Flight>()

  constructor ({ ask, cacheTtl, negativeCacheTtl, cacheSize, stats, now = Date.now }: AnswersSettings) {
    this.#ask = ask
    this.#cacheTtl = cacheTtl
    this.#negativeCacheTtl = negativeCacheTtl
    this.#stats = stats
    this.#now = now
    this.#good = new LruMap(cacheSize)
    this.#bad = new LruMap(cacheSize)
  }

  /** Number of cached answers. */
  get size (): number {
    return this.#good.size + this.#bad.size
  }

  /** Finds the verdict on a token, at once if it is cached. Failures are not cached. */
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

  /** Forgets everything that was found out about a subject. Questions under way are asked again. */
  forget (subject: string): void {
    this.forgotten++
    for (const { doubted } of this.#flights.values()) doubted.add(subject)
    // get() would make each the most recently used.
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

/** The subject of a verdict; empty for a refusal, as no subject is. */
function subjectOf (verdict: Verdict): string {
  return typeof verdict === 'string' ? '' : verdict.subject
}
