import { logError, ofServer, readableError, Sweep } from '@fastify-airlock/core'
import { inspect } from 'node:util'
import { Breaker } from './breaker.js'
import type { CircuitBreakerSettings } from './circuit-breaker.js'
import { WSA_INTROSPECT_ERR_BUSY, WSA_INTROSPECT_ERR_TOO_MANY_PENDING, WSA_INTROSPECT_ERR_UNAVAILABLE } from './errors.js'
import { channels, type IntrospectAskEvent } from './events.js'
import { Lane } from './lane.js'
import { type Ask, type Origin, Overdue, Question, type Timed } from './question.js'
import type { IntrospectStats } from './stats.js'
import type { Verdict } from './verdict.js'

/** Settings of an {@link Inquiry}. */
export interface InquirySettings {
  ask: Ask
  timeout: number
  concurrency: number
  maxPending: number
  pendingPerAddress: number
  circuitBreaker: CircuitBreakerSettings | null
  stats: IntrospectStats
  /** The HTTP server, of which events tell. */
  server?: object | undefined
  log: {
    error (details: object, text: string): void
    info (text: string): void
  }
  /**
   * A monotonic clock, in milliseconds.
   * @default performance.now
   */
  now?: () => number
}

/** Weight of one answer in the usual time of an answer. */
const WEIGHT = 1 / 8

/**
 * Asks questions, limits their time and number, and stops for a while if the authority keeps failing.
 *
 * Known tokens have a lane of their own, so that strangers cannot keep them waiting. The time of a question starts when it
 * is asked: how long it waits here first says nothing about the authority.
 */
export class Inquiry {
  /** The deadlines of questions, and of those who wait for them. */
  readonly deadlines: Sweep<Timed>
  readonly #settings: Required<Omit<InquirySettings, 'server'>> & Pick<InquirySettings, 'server'>
  readonly #breaker: Breaker | null
  readonly #known: Lane<Question>
  readonly #unknown: Lane<Question>
  readonly #questions = new Set<Question>()
  /** The usual time of an answer, in milliseconds. */
  #usual = 0
  /** When the authority last answered anything, if only with an error. */
  #heard = 0
  #failing = false
  #closed = false

  constructor (settings: InquirySettings) {
    const { timeout, concurrency, circuitBreaker, now } = this.#settings = { now: () => performance.now(), ...settings }
    this.deadlines = new Sweep(timed => timed.expire(), { resolution: Math.min(100, Math.ceil(timeout / 10)), now })
    this.#breaker = circuitBreaker === null ? null : new Breaker(circuitBreaker, now)
    // Each lane leaves a part to the other.
    const most = concurrency === 1 ? 1 : concurrency - Math.max(1, Math.floor(concurrency / 4))
    this.#known = new Lane(most)
    this.#unknown = new Lane(most)
  }

  /** Number of questions without an answer, asked or not. */
  get pending (): number {
    return this.#questions.size
  }

  /**
   * Asks about a token when its turn comes.
   *
   * @returns a question, for whose verdict somebody waits from now on
   * @throws {@link WSA_INTROSPECT_ERR_TOO_MANY_PENDING} when the address has too many questions without an answer
   * @throws {@link WSA_INTROSPECT_ERR_BUSY} when too many questions wait
   * @throws {@link WSA_INTROSPECT_ERR_UNAVAILABLE} when the authority is left alone, or the server is closing
   */
  ask (token: string, origin: Origin): Question {
    if (this.#closed) throw unavailable(closing())
    const { stats, pendingPerAddress, maxPending, timeout } = this.#settings
    if (this.#isStopped(origin)) throw unavailable(stopped())
    const { party, isKnown, isBounded } = origin
    const lane = isKnown ? this.#known : this.#unknown
    const held = lane.held(party)
    if (isBounded && held >= pendingPerAddress) {
      stats.limited++
      throw new WSA_INTROSPECT_ERR_TOO_MANY_PENDING()
    }
    if (this.#questions.size >= maxPending) this.#makeRoom(isKnown, held)
    const question = new Question(token, origin, lane, () => noAnswer(timeout))
    this.#questions.add(question)
    this.prolong(question)
    lane.add(question, party)
    this.#fill()
    return question
  }

  /** Notes that somebody waits for a question from now on. */
  prolong (question: Question): void {
    question.until = this.#settings.now() + this.#settings.timeout
  }

  /**
   * Has a question not be asked, if it was not yet. One that was asked goes on, since to end it costs a connection.
   *
   * @param reason what those get who wait for it
   */
  withdraw (question: Question, reason: Error): void {
    if (question.isAsked || !this.#questions.has(question)) return
    question.lane.withdraw(question, question.origin.party)
    this.#end(question, reason)
  }

  /** Ends a question for which nobody has any time left, asked or not. */
  giveUp (question: Question): void {
    const { now, timeout } = this.#settings
    this.withdraw(question, new WSA_INTROSPECT_ERR_BUSY())
    // It was asked late because others were before it. If they got no answer either, it is the fault of the authority.
    question.abort(now() - this.#heard >= timeout ? noAnswer(timeout) : new Overdue())
  }

  /** Fails all questions. */
  close (): void {
    this.#closed = true
    this.#breaker?.close()
    for (const question of [...this.#questions]) {
      this.withdraw(question, unavailable(closing()))
      question.abort(closing())
    }
    this.deadlines.close()
  }

  /** Drops a question that waits, of a party that has more of them than this one. */
  #makeRoom (isKnown: boolean, held: number): void {
    // Where none has more, to drop another's would be as unfair as to refuse this one.
    const dropped = this.#unknown.shed(isKnown ? 0 : held + 1) ?? (isKnown ? this.#known.shed(held + 1) : undefined)
    this.#settings.stats.busy++
    if (dropped === undefined) throw new WSA_INTROSPECT_ERR_BUSY()
    this.#end(dropped, new WSA_INTROSPECT_ERR_BUSY())
  }

  #fill (): void {
    const { concurrency, timeout, stats, now } = this.#settings
    for (;;) {
      const free = concurrency - this.#known.running - this.#unknown.running
      const question = this.#known.next(free) ?? this.#unknown.next(free)
      if (question === undefined) return
      if (this.#isStopped(question.origin)) {
        this.#finish(question, unavailable(stopped()))
      } else if (question.until - now() < Math.min(this.#usual, timeout / 2)) {
        // The answer would come too late, and keep others waiting.
        stats.busy++
        this.#finish(question, new WSA_INTROSPECT_ERR_BUSY())
      } else {
        this.#run(question)
      }
    }
  }

  /** Never rejects. */
  async #run (question: Question): Promise<void> {
    const { ask, timeout, stats, log, now } = this.#settings
    const { token, origin: { party, isKnown } } = question
    const start = now()
    stats.asked++
    this.deadlines.set(question, timeout)
    const pose = async (): Promise<Verdict> => {
      try {
        return await question.pose(ask)
      } catch (error) {
        throw Object(error) === error ? readableError(error) : error
      }
    }
    try {
      const verdict = await (this.#breaker === null ? pose() : this.#breaker.fire(pose, party, isKnown))
      this.#heard = now()
      this.#usual += (this.#heard - start - this.#usual) * WEIGHT
      if (typeof verdict === 'string') stats.refused++
      this.#publish(typeof verdict === 'string' ? verdict : 'active', start)
      if (this.#failing) log.info('the authority answers for tokens again')
      this.#failing = false
      this.#finish(question, verdict)
    } catch (error) {
      stats.failed++
      if (!question.isAborted) this.#heard = now()
      this.#publish('failed', start)
      const cause = withoutToken(error, token)
      if (!(error instanceof Overdue)) {
        // Once for each outage: failed requests are logged anyway.
        if (!this.#failing && !this.#closed) logError(log, cause, 'the authority cannot be asked about tokens')
        this.#failing = true
      }
      this.#finish(question, unavailable(cause))
    }
  }

  #isStopped ({ party, isKnown }: Origin): boolean {
    return this.#breaker?.stops(party, isKnown) === true
  }

  /** Ends a question that had its turn. */
  #finish (question: Question, outcome: Verdict | Error): void {
    this.deadlines.clear(question)
    question.lane.finish(question.origin.party)
    this.#end(question, outcome)
    // Not at once: the next questions may be given up in the same moment.
    queueMicrotask(() => this.#fill())
  }

  #end (question: Question, outcome: Verdict | Error): void {
    this.#questions.delete(question)
    question.settle(outcome)
  }

  #publish (outcome: IntrospectAskEvent['outcome'], start: number): void {
    if (!channels.ask.hasSubscribers) return
    channels.ask.publish(ofServer({ outcome, duration: this.#settings.now() - start }, this.#settings.server) satisfies IntrospectAskEvent)
  }
}

/** Says that a question had its time. */
export function noAnswer (timeout: number): Error {
  return new Error(`No answer within ${timeout} ms`)
}

function unavailable (cause: unknown): Error {
  return new WSA_INTROSPECT_ERR_UNAVAILABLE({ cause })
}

function closing (): Error {
  return new Error('The server is closing')
}

function stopped (): Error {
  return Object.assign(new Error('Breaker is open'), { code: 'EOPENBREAKER' })
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
