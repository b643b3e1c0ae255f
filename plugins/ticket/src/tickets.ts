import { addressKey, milliseconds, parseOptions, text } from '@fastify-airlock/core'
import { SUBPROTOCOL, TICKET_PATTERN } from '@fastify-airlock/protocol'
import * as v from 'valibot'
import { Deadline } from './deadline.js'
import { WSA_TICKET_ERR_ARGUMENT, WSA_TICKET_ERR_UNAVAILABLE } from './errors.js'
import { createTicket, hashTicket } from './secret.js'
import type { StoreLog, TicketRecord, TicketStore } from './store.js'
import type { IssuedTicket, IssueOptions, RedeemContext, RedeemedTicket, WsTickets } from './types.js'

/** The schema of a ticket's life. */
export const ttl = v.pipe(milliseconds, v.maxValue(15 * 60_000))

const issueArguments = v.strictObject({
  subject: text,
  audience: v.optional(text),
  claims: v.optional(v.custom<Record<string, unknown>>(
    value => typeof value === 'object' && value !== null && !Array.isArray(value), 'Expected an object'
  )),
  ttl: v.optional(ttl),
  origin: v.optional(text),
  ip: v.optional(text),
  reuse: v.optional(v.boolean())
})

const revokeArguments = v.strictObject({ subject: text })

/** What {@link Tickets} needs. The plugin's options, all given. */
export interface TicketSettings {
  store: TicketStore
  audience: string
  ttl: number
  reuse: boolean
  storeTimeout: number
  now: () => number
}

/** The logic of `fastify.wsTickets`; knows nothing of Fastify. */
export class Tickets implements WsTickets {
  readonly audience: string
  readonly #settings: TicketSettings
  readonly #store: TicketStore
  readonly #deadline: Deadline

  constructor (settings: TicketSettings) {
    this.audience = settings.audience
    this.#settings = settings
    this.#store = settings.store
    this.#deadline = new Deadline(settings.storeTimeout)
  }

  async issue (subject: string, options: IssueOptions = {}): Promise<IssuedTicket> {
    const given = parseOptions(issueArguments, { ...options, subject }, WSA_TICKET_ERR_ARGUMENT)
    const { audience = this.audience, ttl = this.#settings.ttl, reuse = this.#settings.reuse, origin, ip } = given
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
    let ticket = createTicket()
    try {
      await this.#put(ticket, record, ttl)
    } catch (error) {
      // Not by chance, with 256 random bits: a driver that sent its insert twice meets its own document.
      if ((error as { code?: unknown }).code !== 'WSA_TICKET_ERR_DUPLICATE') throw error
      ticket = createTicket()
      await this.#put(ticket, record, ttl)
    }
    return { ticket, expiresIn: Math.max(1, Math.floor(ttl / 1000)), expiresAt, protocol: SUBPROTOCOL }
  }

  async redeem (ticket: string, context: RedeemContext = {}): Promise<RedeemedTicket | null> {
    const { audience = this.audience, origin, ip } = context
    // A query parameter may be an array or an object: no such thing may get into a database's filter.
    if (typeof ticket !== 'string' || !TICKET_PATTERN.test(ticket) || typeof audience !== 'string') return null
    const record = await this.#ask(() => this.#store.take(hashTicket(ticket), audience, this.#settings.now()))
    if (
      record === null ||
      (record.origin !== null && record.origin !== origin) ||
      (record.ip !== null && record.ip !== addressKey(ip))
    ) return null
    return { subject: record.subject, claims: JSON.parse(record.claims), expiresAt: record.expiresAt }
  }

  async revoke (subject: string): Promise<number> {
    parseOptions(revokeArguments, { subject }, WSA_TICKET_ERR_ARGUMENT)
    return this.#ask(() => this.#store.revoke(subject))
  }

  /** Prepares the store. */
  async ready (log: StoreLog): Promise<void> {
    await this.#ask(() => this.#store.ready?.(log))
  }

  /** Closes the store. */
  async close (): Promise<void> {
    await this.#ask(() => this.#store.close())
  }

  #put (ticket: string, record: TicketRecord, ttl: number): Promise<void> {
    return this.#ask(() => this.#store.put(hashTicket(ticket), record, ttl))
  }

  /** Lets the store's own coded errors pass; whatever else goes wrong is "not available". */
  async #ask<T> (question: () => PromiseLike<T> | T): Promise<T> {
    try {
      const answer = question()
      return isPromise(answer) ? await this.#deadline.race(answer) : answer
    } catch (error) {
      if (String((error as { code?: unknown }).code).startsWith('WSA_TICKET_ERR_')) throw error
      throw new WSA_TICKET_ERR_UNAVAILABLE({ cause: error })
    }
  }
}

function claimsText (claims: Record<string, unknown> | undefined): string {
  if (claims === undefined) return '{}'
  try {
    return JSON.stringify(claims)
  } catch {
    throw new WSA_TICKET_ERR_ARGUMENT('claims: can not be written as JSON')
  }
}

function isPromise<T> (value: PromiseLike<T> | T): value is PromiseLike<T> {
  return typeof (value as PromiseLike<T> | null | undefined)?.then === 'function'
}
