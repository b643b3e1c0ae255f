import { hash } from 'node:crypto'
import type { Rate } from '@fastify-airlock/core'
import { LruMap } from 'toad-cache'
import type { Asker } from './asker.js'
import { WSA_INTROSPECT_ERR_BUSY, WSA_INTROSPECT_ERR_CLIENT_LEFT, WSA_INTROSPECT_ERR_UNAVAILABLE } from './errors.js'
import { type Inquiry, noAnswer } from './inquiry.js'
import type { Origin, Question, Timed } from './question.js'
import { Refusals } from './refusals.js'
import type { IntrospectStats } from './stats.js'
import type { Verdict } from './verdict.js'

/** Settings of {@link Answers}. */
export interface AnswersSettings {
  inquiry: Pick<Inquiry, 'ask' | 'deadlines' | 'giveUp' | 'prolong' | 'withdraw'>
  timeout: number
  cacheTtl: number
  negativeCacheTtl: number
  cacheSize: number
  rememberedTokens: number
  refusalRate: Rate | false
  stats: IntrospectStats
  /**
   * The time of day, in milliseconds since the epoch.
   * @default Date.now
   */
  wall?: () => number
  /**
   * A monotonic clock, in milliseconds.
   * @default performance.now
   */
  now?: () => number
}

interface Known {
  verdict: Verdict
  /** When it is forgotten, in milliseconds since the epoch. */
  until: number
}

/** A question under way, and those who wait for its answer. */
interface Flight {
  readonly key: string
  readonly token: string
  readonly origin: Origin
  question: Question
  readonly waiters: Set<Waiter>
  /** Subjects that were forgotten since the question was asked. */
  readonly doubted: Set<string>
}

interface Waiter extends Timed {
  resolve (verdict: Verdict): void
  reject (reason: unknown): void
  /** Takes the listener away that notices if the asker leaves. */
  stop (): void
}

/** Caches answers for a while, and asks one question for all who ask the same meanwhile. */
export class Answers {
  /** How often a subject was forgotten. An answer from before the last time may be outdated. */
  forgotten = 0

  readonly #settings: AnswersSettings
  readonly #inquiry: AnswersSettings['inquiry']
  readonly #wall: () => number
  // Separate, so that a flood of bad tokens cannot push out good ones.
  readonly #good: LruMap<Known>
  readonly #bad: LruMap<Known>
  /** Tokens that were good, by their hash. */
  readonly #remembered: LruMap<true>
  readonly #refusals: Refusals
  readonly #flights = new Map<string, Flight>()

  constructor (settings: AnswersSettings) {
    const { inquiry, cacheSize, rememberedTokens, refusalRate, wall = Date.now, now = () => performance.now() } = settings
    this.#settings = settings
    this.#inquiry = inquiry
    this.#wall = wall
    this.#good = new LruMap(cacheSize)
    this.#bad = new LruMap(cacheSize)
    this.#remembered = new LruMap(rememberedTokens)
    this.#refusals = new Refusals(refusalRate, now)
  }

  /** Number of cached answers. */
  get size (): number {
    return this.#good.size + this.#bad.size
  }

  /**
   * Finds the verdict on a token, at once if it is cached. Failures are not cached.
   *
   * @param identify is called if the verdict is not cached
   * @throws {@link WSA_INTROSPECT_ERR_CLIENT_LEFT} when the asker has left before there is a verdict
   * @throws {@link WSA_INTROSPECT_ERR_TOO_MANY_REFUSALS} when too many tokens of the address were refused
   * @throws what {@link Inquiry.ask} throws
   */
  ask (token: string, identify: () => Asker): Verdict | Promise<Verdict> {
    const { stats } = this.#settings
    const key = hash('sha256', token, 'base64url')
    const known = this.#good.get(key) ?? this.#bad.get(key)
    if (known !== undefined && known.until > this.#wall()) {
      stats.hits++
      return known.verdict
    }
    const asker = identify()
    if (asker.hasLeft()) throw new WSA_INTROSPECT_ERR_CLIENT_LEFT()
    let flight = this.#flights.get(key)
    if (flight === undefined) {
      flight = this.#fly(key, token, asker)
    } else {
      stats.shared++
      this.#inquiry.prolong(flight.question)
    }
    return this.#wait(flight, asker)
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
    this.#remembered.clear()
  }

  #fly (key: string, token: string, { party, isRecheck }: Asker): Flight {
    const isKnown = isRecheck || this.#remembered.get(key) === true
    if (!isKnown) this.#checkRefusals(party)
    const origin = { party, isKnown, isBounded: !isRecheck && party !== '' }
    const flight: Flight = {
      key, token, origin, question: this.#inquiry.ask(token, origin), waiters: new Set(), doubted: new Set()
    }
    this.#flights.set(key, flight)
    this.#land(flight)
    return flight
  }

  #checkRefusals (address: string): void {
    try {
      this.#refusals.check(address)
    } catch (error) {
      this.#settings.stats.limited++
      throw error
    }
  }

  /** Waits for the answer, and asks again as long as it may be outdated. Never rejects. */
  async #land (flight: Flight): Promise<void> {
    const { key, token, origin, waiters, doubted } = flight
    try {
      let verdict = await flight.question.verdict
      while (doubted.has(subjectOf(verdict)) && waiters.size > 0) {
        doubted.clear()
        this.#inquiry.prolong(flight.question = this.#inquiry.ask(token, origin))
        verdict = await flight.question.verdict
      }
      if (doubted.has(subjectOf(verdict))) return
      this.#keep(key, verdict)
      // A good token that has ended is no sign of guessing, and each can end only once.
      if (typeof verdict === 'string' && !origin.isKnown) this.#refusals.count(origin.party)
      for (const waiter of waiters) this.#release(flight, waiter).resolve(verdict)
    } catch (error) {
      for (const waiter of waiters) this.#release(flight, waiter).reject(error)
    } finally {
      this.#flights.delete(key)
    }
  }

  #wait (flight: Flight, asker: Asker): Promise<Verdict> {
    const { timeout, stats } = this.#settings
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        due: 0,
        resolve,
        reject,
        expire: () => {
          this.#release(flight, waiter)
          const { isAsked } = flight.question
          if (!isAsked) stats.busy++
          reject(isAsked ? new WSA_INTROSPECT_ERR_UNAVAILABLE({ cause: noAnswer(timeout) }) : new WSA_INTROSPECT_ERR_BUSY())
          if (flight.waiters.size === 0) this.#inquiry.giveUp(flight.question)
        },
        stop: asker.onLeave(() => {
          const left = new WSA_INTROSPECT_ERR_CLIENT_LEFT()
          this.#release(flight, waiter).reject(left)
          if (flight.waiters.size === 0) this.#inquiry.withdraw(flight.question, left)
        })
      }
      flight.waiters.add(waiter)
      this.#inquiry.deadlines.set(waiter, timeout)
    })
  }

  /** Has a waiter wait no longer. */
  #release ({ waiters }: Flight, waiter: Waiter): Waiter {
    waiters.delete(waiter)
    this.#inquiry.deadlines.clear(waiter)
    waiter.stop()
    return waiter
  }

  #keep (key: string, verdict: Verdict): void {
    const { cacheTtl, negativeCacheTtl } = this.#settings
    const now = this.#wall()
    const isGood = typeof verdict !== 'string'
    const [cache, other, until] = isGood
      ? [this.#good, this.#bad, Math.min(now + cacheTtl, verdict.expiresAt ?? Infinity)]
      : [this.#bad, this.#good, now + negativeCacheTtl]
    if (isGood) this.#remembered.set(key, true)
    else this.#remembered.delete(key)
    other.delete(key)
    if (until > now) cache.set(key, { verdict, until })
    else cache.delete(key)
  }
}

/** The subject of a verdict; empty for a refusal, as no subject is. */
function subjectOf (verdict: Verdict): string {
  return typeof verdict === 'string' ? '' : verdict.subject
}
