import { addressKey, bindMethods, isThenable, next, nonEmptyString, optionsObject, parseOptions } from '@fastify-airlock/core'
import { SUBPROTOCOL, TICKET_PATTERN } from '@fastify-airlock/protocol'
import * as v from 'valibot'
import { Deadline } from './deadline.js'
import { WSA_TICKET_ERR_ARGUMENT, WSA_TICKET_ERR_UNAVAILABLE } from './errors.js'
import { ttl, type WsTicketsSettings } from './options.js'
import { createTicket, hashTicket } from './secret.js'
import type { StoreLog, TicketRecord, TicketStore } from './store.js'
import type { IssuedTicket, IssueOptions, RedeemContext, RedeemedTicket, WsTickets } from './types.js'

const issueArguments = optionsObject({
  subject: nonEmptyString,
  audience: v.optional(nonEmptyString),
  claims: v.optional(v.custom<Record<string, unknown>>(
    value => typeof value === 'object' && value !== null && !Array.isArray(value), 'Expected an object'
  )),
  ttl: v.optional(ttl),
  origin: v.optional(nonEmptyString),
  ip: v.optional(nonEmptyString),
  reuse: v.optional(v.boolean())
})

const revokeArguments = optionsObject({ subject: nonEmptyString })

/** The settings that {@link Tickets} needs. */
export type TicketSettings = Pick<WsTicketsSettings, 'store' | 'audience' | 'ttl' | 'reuse' | 'storeTimeout' | 'now'>

/** Counts the questions that a store has not answered yet. A synchronous answer is not counted. */
export interface PendingQuestions {
  begin (): void
  end (): void
}

/** The checked arguments of `issue`. */
type IssueArguments = v.InferOutput<typeof issueArguments>

/** The logic of `fastify.wsTickets`, without Fastify. */
export class Tickets implements WsTickets {
  readonly audience: string
  readonly #settings: TicketSettings
  readonly #store: TicketStore
  readonly #deadline: Deadline
  readonly #pending: PendingQuestions | undefined
  #log: StoreLog | undefined

  constructor (settings: TicketSettings, pending?: PendingQuestions) {
    this.#pending = pending
    this.audience = settings.audience
    this.#settings = settings
    this.#store = settings.store
    this.#deadline = new Deadline(settings.storeTimeout)
    bindMethods(this)
  }

  async issue (subject: string, options: IssueOptions = {}): Promise<IssuedTicket> {
    return this.issueNow(parseOptions(issueArguments, { ...options, subject }, WSA_TICKET_ERR_ARGUMENT))
  }

  /** Like {@link issue}, for checked arguments. Returns synchronously when the store does. */
  issueNow (given: IssueArguments): IssuedTicket | Promise<IssuedTicket> {
    const { subject, audience = this.audience, ttl = this.#settings.ttl, reuse = this.#settings.reuse, origin, ip } = given
    const expiresAt = this.#settings.now() + ttl
    const record: TicketRecord = {
      subject,
      audience,
      claims: claimsText(given.claims),
      expiresAt,
      reuse,
      origin: origin ?? null,
      ip: ip === undefined ? null : addressKey(ip)
    }
    const ticket = createTicket()
    const issued = (ticket: string): IssuedTicket =>
      ({ ticket, expiresIn: Math.max(1, Math.floor(ttl / 1000)), expiresAt, protocol: SUBPROTOCOL })
    const retry = (error: unknown): IssuedTicket | Promise<IssuedTicket> => {
      // 256 random bits do not collide by chance: a driver that sends its insert twice meets its own document.
      if ((error as { code?: unknown }).code !== 'WSA_TICKET_ERR_DUPLICATE') throw error
      const another = createTicket()
      return next(this.#put(another, record, ttl), () => issued(another))
    }
    try {
      const kept = this.#put(ticket, record, ttl)
      return isThenable(kept) ? kept.then(() => issued(ticket), retry) : issued(ticket)
    } catch (error) {
      return retry(error)
    }
  }

  async redeem (ticket: string, context: RedeemContext = {}): Promise<RedeemedTicket | null> {
    return await this.redeemNow(ticket, context)
  }

  redeemNow (ticket: string, context: RedeemContext = {}): RedeemedTicket | null | Promise<RedeemedTicket | null> {
    const { audience = this.audience } = context
    // A query parameter may be an array or an object, which must not get into a database's filter.
    if (typeof ticket !== 'string' || !TICKET_PATTERN.test(ticket) || typeof audience !== 'string') return null
    return next(
      this.#ask(() => this.#store.take(hashTicket(ticket), audience, this.#settings.now())),
      record => {
        if (record !== null && record.ip !== null && addressKey(context.ip) === '') this.#warnOfNoAddress()
        return judge(record, context)
      }
    )
  }

  isUnknown (ticket: string): boolean {
    return !TICKET_PATTERN.test(ticket) || this.#store.has?.(hashTicket(ticket)) === false
  }

  async revoke (subject: string): Promise<number> {
    parseOptions(revokeArguments, { subject }, WSA_TICKET_ERR_ARGUMENT)
    return await this.#ask(() => this.#store.revoke(subject))
  }

  /** Prepares the store. */
  async ready (log: StoreLog): Promise<void> {
    this.#log = log
    await this.#ask(() => this.#store.ready?.(log))
  }

  /** Closes the store. */
  async close (): Promise<void> {
    await this.#ask(() => this.#store.close())
  }

  /** Says once why such tickets are refused. */
  #warnOfNoAddress (): void {
    this.#log?.warn({}, 'a ticket that is bound to an address was presented without one, as over a Unix socket: behind a proxy set trustProxy, or turn bindAddress off')
    this.#log = undefined
  }

  #put (ticket: string, record: TicketRecord, ttl: number): Promise<void> | void {
    return this.#ask(() => this.#store.put(hashTicket(ticket), record, ttl))
  }

  /** Asks the store. A synchronous answer is returned as it is, a promise is bounded by the deadline. */
  #ask<T> (question: () => PromiseLike<T> | T): Promise<T> | T {
    try {
      const answer = question()
      if (!isThenable(answer)) return answer
      this.#pending?.begin()
      return this.#deadline.race(answer as PromiseLike<T>).catch(fail).finally(() => this.#pending?.end())
    } catch (error) {
      return fail(error)
    }
  }
}

/** Rethrows the store's own coded errors. Every other error becomes "not available". */
function fail (error: unknown): never {
  if (String((error as { code?: unknown }).code).startsWith('WSA_TICKET_ERR_')) throw error
  throw new WSA_TICKET_ERR_UNAVAILABLE({ cause: error })
}

/** Returns what a record proves in this context. */
function judge (record: TicketRecord | null, context: RedeemContext): RedeemedTicket | null {
  if (
    record === null ||
    (record.origin !== null && record.origin !== context.origin) ||
    (record.ip !== null && record.ip !== addressKey(context.ip))
  ) return null
  return { subject: record.subject, claims: JSON.parse(record.claims), expiresAt: record.expiresAt }
}

function claimsText (claims: Record<string, unknown> | undefined): string {
  if (claims === undefined) return '{}'
  try {
    return JSON.stringify(claims)
  } catch {
    throw new WSA_TICKET_ERR_ARGUMENT('claims: cannot be written as JSON')
  }
}
