import {
  addressKey, auditChannel, auditCode, bindMethods, Deadline, findTrail, fromWallTime, isThenable, next, noteBegin, type OrderSubject, parseOptions,
  parseTarget, peek, RecentOrders, sessionOf, toWallTime, Trail
} from '@fastify-airlock/core'
import { SUBPROTOCOL, TICKET_PATTERN } from '@fastify-airlock/protocol'
import { claimsText, type IssueArguments, issueArguments, revokeMembers } from './arguments.js'
import { auditIssue, auditNoTicket, auditRedemption } from './audit.js'
import { WSA_TICKET_ERR_ARGUMENT, WSA_TICKET_ERR_BUSY, WSA_TICKET_ERR_REVOKED, WSA_TICKET_ERR_UNAVAILABLE } from './errors.js'
import { CAUSES, judge } from './judge.js'
import { MAX_TTL, type WsTicketsSettings } from './options.js'
import type { TicketRateState } from './rate-counter.js'
import { createTicket, hashTicket } from './secret.js'
import type { StoreLog, TicketRecord, TicketStore } from './store.js'
import type { IssuedTicket, IssueOptions, RedeemContext, RedeemedTicket, RevokeTarget, WsTickets } from './types.js'

/** Longest time that a request for a ticket may take, in milliseconds. What happened before is not remembered. */
const MAX_REQUEST = 60_000

/** The settings that {@link Tickets} needs. */
export type TicketSettings = Pick<WsTicketsSettings, 'store' | 'audience' | 'ttl' | 'reuse' | 'storeTimeout' | 'now'>

/** Counts the questions that a store has not answered yet. A synchronous answer is not counted. */
export interface PendingQuestions {
  begin (): void
  end (): void
}

/** The logic of `fastify.wsTickets`, without Fastify. */
export class Tickets implements WsTickets {
  readonly audience: string
  rateCounter: TicketRateState | null = null
  readonly #settings: TicketSettings
  readonly #store: TicketStore
  readonly #deadline: Deadline
  readonly #server: object | null
  readonly #pending: PendingQuestions | undefined
  /** The recent orders to disconnect. */
  readonly #recent: RecentOrders
  /** The recent revocations of tickets. */
  readonly #revoked: RecentOrders
  #log: StoreLog | undefined

  /**
   * @param recent the recent orders to disconnect
   * @param server the HTTP server, of which the audit trail tells
   */
  constructor (settings: TicketSettings, pending?: PendingQuestions, recent = new RecentOrders(), server: object | null = null) {
    this.#server = server
    this.#recent = recent
    this.#revoked = new RecentOrders(undefined, recent)
    for (const orders of [recent, this.#revoked]) orders.keepFor(MAX_TTL + MAX_REQUEST)
    this.#pending = pending
    this.audience = settings.audience
    this.#settings = settings
    this.#store = settings.store
    this.#deadline = new Deadline(settings.storeTimeout)
    bindMethods(this)
  }

  async issue (subject: string, options: IssueOptions = {}): Promise<IssuedTicket> {
    return this.issueNow(parseOptions(issueArguments, { ...options, subject }, WSA_TICKET_ERR_ARGUMENT), findTrail(options))
  }

  /**
   * Like {@link issue}, for checked arguments. Returns synchronously when the store does.
   *
   * @param own the trail of the request for the ticket, whose refusal the caller reports
   */
  issueNow (given: IssueArguments, own?: Trail): IssuedTicket | Promise<IssuedTicket> {
    if (!auditChannel.hasSubscribers) return this.#issue(given)
    const { subject, audience = this.audience } = given
    const trail = (own ?? this.#newTrail()).of({ subject, claims: this.#claimsOf(given) }, this.#recent.sessionClaim)
    const refused = (error: unknown): never => {
      if (own === undefined) auditNoTicket(trail, auditCode(error))
      throw error
    }
    try {
      const issued = next(this.#issue(given), issued => {
        auditIssue(trail, issued, audience)
        return issued
      })
      return isThenable(issued) ? issued.catch(refused) : issued
    } catch (error) {
      return refused(error)
    }
  }

  #newTrail (): Trail {
    return Object.assign(new Trail(), { server: this.#server })
  }

  #claimsOf ({ claims, session }: IssueArguments): Record<string, unknown> | undefined {
    return session === undefined ? claims : { ...claims, [this.#recent.sessionClaim]: session }
  }

  #issue (given: IssueArguments): IssuedTicket | Promise<IssuedTicket> {
    const { subject, audience = this.audience, ttl = this.#settings.ttl, reuse = this.#settings.reuse, origin, ip } = given
    const claims = this.#claimsOf(given)
    const session = sessionOf(claims, this.#recent.sessionClaim)
    const began = Math.min(performance.now(), given.requestedAt === undefined ? Infinity : fromWallTime(given.requestedAt))
    if (performance.now() - began > MAX_REQUEST) throw new WSA_TICKET_ERR_BUSY()
    const over = this.#whyOver({ subject, claims }, began)
    if (over !== null) throw noTicket(over)
    const expiresAt = this.#settings.now() + ttl
    const record: TicketRecord = {
      subject,
      audience,
      claims: claimsText(claims),
      expiresAt,
      reuse,
      origin: origin ?? null,
      ip: ip === undefined ? null : addressKey(ip),
      ...(session !== undefined && { session }),
      requestedAt: toWallTime(began)
    }
    const ticket = createTicket()
    const issued = (ticket: string): IssuedTicket =>
      ({ ticket, expiresIn: Math.max(1, Math.floor(ttl / 1000)), expiresAt, protocol: SUBPROTOCOL })
    // The subject may have logged out while the store was busy, which then had no ticket to revoke.
    const settle = async (ticket: string): Promise<IssuedTicket> => {
      const over = this.#whyOver({ subject, claims }, began)
      if (over === null) return issued(ticket)
      await this.#withdraw(ticket, record)
      throw noTicket(over)
    }
    const retry = (error: unknown): IssuedTicket | Promise<IssuedTicket> => {
      // 256 random bits do not collide by chance: a driver that sends its insert twice meets its own document.
      if ((error as { code?: unknown } | null | undefined)?.code !== 'WSA_TICKET_ERR_DUPLICATE') throw error
      const another = createTicket()
      const kept = this.#put(another, record, ttl)
      return isThenable(kept) ? kept.then(() => settle(another)) : issued(another)
    }
    try {
      const kept = this.#put(ticket, record, ttl)
      return isThenable(kept) ? kept.then(() => settle(ticket), retry) : issued(ticket)
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
    if (typeof ticket !== 'string' || !TICKET_PATTERN.test(ticket) || typeof audience !== 'string') {
      auditRedemption(null, context, this.#server, { record: null, cause: CAUSES.MALFORMED })
      return null
    }
    const began = performance.now()
    return next(
      this.#ask(() => this.#store.take(hashTicket(ticket), audience, this.#settings.now())),
      record => {
        if (record !== null && record.ip !== null && addressKey(context.ip) === '') this.#warnOfNoAddress()
        const since = record?.requestedAt === undefined ? began : Math.min(began, fromWallTime(record.requestedAt))
        const redeemed = judge(record, context)
        const cause = typeof redeemed === 'string' ? redeemed : this.#whyOver(redeemed, since)
        auditRedemption(ticket, context, this.#server, { record, cause })
        if (cause === CAUSES.FORGOTTEN) throw new WSA_TICKET_ERR_BUSY()
        if (cause !== null) return null
        noteBegin(redeemed as RedeemedTicket, since)
        return redeemed as RedeemedTicket
      }
    )
  }

  isUnknown (ticket: string): boolean {
    return !TICKET_PATTERN.test(ticket) || this.#store.has?.(hashTicket(ticket)) === false
  }

  async revoke (target: string | RevokeTarget): Promise<number> {
    const who = parseTarget(target, WSA_TICKET_ERR_ARGUMENT, revokeMembers)
    const { subject, session } = who
    const { revokeSession } = this.#store
    if (subject === undefined && revokeSession === undefined) {
      throw new WSA_TICKET_ERR_ARGUMENT('subject: the store has no revokeSession, so it is needed')
    }
    // First: a ticket that is being issued reaches the store only after it was revoked there.
    const order = this.#revoked.add(who, { reason: 'revoked' })
    try {
      return await this.#ask(() => subject === undefined
        ? (revokeSession as NonNullable<TicketStore['revokeSession']>).call(this.#store, session as string)
        : session === undefined ? this.#store.revoke(subject) : this.#store.revoke(subject, session))
    } catch (error) {
      // Nothing was revoked, as far as the caller knows: it has to try again.
      this.#revoked.delete(order)
      throw error
    }
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

  /** Why somebody who began then gets nothing: it was disconnected, or had its tickets revoked, since; or that is not known. */
  #whyOver (who: OrderSubject, began: number): string | null {
    const disconnected = this.#recent.find(who, began)
    const revoked = this.#revoked.find(who, began)
    if (disconnected?.isForgotten === false || revoked?.isForgotten === false) return CAUSES.OVER
    const isKnown = disconnected === undefined && revoked === undefined && this.#recent.remembers(began) && this.#revoked.remembers(began)
    return isKnown ? null : CAUSES.FORGOTTEN
  }

  /** Removes a ticket that nobody has got. If the store fails, it is still a secret that nobody knows. */
  async #withdraw (ticket: string, { subject, audience, reuse, session }: TicketRecord): Promise<void> {
    const hash = hashTicket(ticket)
    const store = this.#store
    try {
      await this.#ask<unknown>(() => {
        if (store.remove !== undefined) return store.remove(hash)
        return reuse ? store.revoke(subject, session) : store.take(hash, audience, this.#settings.now())
      })
    } catch {}
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

/** Who may be meant by an order that was forgotten may try again. */
function noTicket (cause: string): Error {
  return cause === CAUSES.OVER ? new WSA_TICKET_ERR_REVOKED() : new WSA_TICKET_ERR_BUSY()
}

/** Rethrows the store's own coded errors. Every other error becomes "not available". */
function fail (error: unknown): never {
  if (String(peek(error, 'code')).startsWith('WSA_TICKET_ERR_')) throw error
  throw new WSA_TICKET_ERR_UNAVAILABLE({ cause: error })
}
