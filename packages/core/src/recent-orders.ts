import type { Server } from 'node:http'
import { CloseCode } from '@fastify-airlock/protocol'
import type { OrderTarget } from './order-target.js'
import { SESSION_CLAIM, sessionOf, textClaim } from './session.js'

/** The part of an identity that orders look at. */
export interface OrderSubject {
  subject: string
  claims?: object | undefined
}

function claimOf ({ claims }: OrderSubject, name: string): unknown {
  return claims !== undefined && Object.hasOwn(claims, name) ? (claims as Record<string, unknown>)[name] : undefined
}

/**
 * Whether an order means somebody.
 *
 * @param sessionClaim the claim that names the session
 */
export function isMeant ({ subject, session, tokenId, where }: OrderTarget, who: OrderSubject, sessionClaim: string = SESSION_CLAIM): boolean {
  if (subject !== undefined && subject !== who.subject) return false
  for (const [wanted, found] of [[session, sessionOf(who.claims, sessionClaim)], [tokenId, tokenIdOf(who)]]) {
    if (wanted !== undefined && wanted !== found && (found !== undefined || subject === undefined)) return false
  }
  return where === undefined || Object.entries(where).every(([name, value]) => claimOf(who, name) === value)
}

/**
 * Whether an order means somebody by a session or a token, which are over for good: it means those who come later as well.
 *
 * @param sessionClaim the claim that names the session
 */
export function isMeantForGood (target: OrderTarget, who: OrderSubject, sessionClaim: string = SESSION_CLAIM): boolean {
  const { session, tokenId } = target
  return ((session !== undefined && session === sessionOf(who.claims, sessionClaim)) || (tokenId !== undefined && tokenId === tokenIdOf(who))) &&
    isMeant(target, who, sessionClaim)
}

function tokenIdOf ({ claims }: OrderSubject): string | undefined {
  return textClaim(claims, 'jti')
}

/** An order that is remembered. */
export interface RecentOrder {
  target: OrderTarget
  /** When it was given, in milliseconds of the clock. */
  given: number
  /** The close code that it wants; `undefined` for that of a logout, see {@link logoutCode}. */
  code: number | undefined
  /** The close reason that it wants. */
  reason: string
  /** Whether it stands for orders that were forgotten: it is not known whether somebody is meant, who may try again. */
  isForgotten: boolean
}

/** How long an order is remembered for those who are on their way in, in milliseconds, unless somebody may take longer. */
const KEEP_MS = 60_000

/** How long an order that means a session or a token is remembered, in milliseconds, unless they may live longer. */
const LIFE_MS = 24 * 60 * 60_000

/** How many orders of each of the two kinds are remembered, unless more are wanted. */
const MAX_ORDERS = 100_000

/**
 * The recent orders to disconnect on one server. What lets somebody in looks here last: somebody who began before the
 * order was given is refused, however long the hooks in between take.
 */
export class RecentOrders {
  readonly #now: () => number
  readonly #index = new Map<string, Set<RecentOrder>>()
  /** Those that mean only who is on the way in, the oldest first. */
  readonly #passing = new Set<RecentOrder>()
  /** Those that mean a session or a token, the oldest first. */
  readonly #lasting = new Set<RecentOrder>()
  #keep = KEEP_MS
  #life = LIFE_MS
  #limit = MAX_ORDERS
  #sessionClaim: string | undefined
  /** When the newest order was given that had to be dropped before its time. */
  #dropped = -Infinity
  #overflowUntil = -Infinity

  readonly #names: RecentOrders | undefined

  /**
   * @param now a monotonic clock, in milliseconds
   * @param names other orders of the same server, which say how the session is named. With them, an order refuses only what
   *   began before it, even if it names a session
   */
  constructor (now: () => number = () => performance.now(), names?: RecentOrders) {
    this.#now = now
    this.#names = names
  }

  /** How many orders are remembered. */
  get size (): number {
    return this.#passing.size + this.#lasting.size
  }

  /**
   * Remembers orders for at least this long.
   *
   * @param keep longest time that somebody may be on the way in, in milliseconds
   * @param life longest life of a session or a token, in milliseconds
   * @param limit at least so many
   */
  keepFor (keep: number, life = 0, limit = 0): void {
    this.#keep = Math.max(this.#keep, keep)
    this.#life = Math.max(this.#life, life)
    this.#limit = Math.max(this.#limit, limit)
  }

  /** Whether a session or a token that was ended may be let in again, because there were too many. */
  get overflowed (): boolean {
    return this.#now() < this.#overflowUntil
  }

  /** The claim that names the session on this server. */
  get sessionClaim (): string {
    return this.#names?.sessionClaim ?? this.#sessionClaim ?? SESSION_CLAIM
  }

  /**
   * Names the claim that names the session, for all plugins on the server.
   *
   * @param claim its name; `undefined` says nothing
   * @returns `false`, and nothing is changed, if another name was given before
   */
  nameSession (claim: string | undefined): boolean {
    if (claim === undefined) return true
    this.#sessionClaim ??= claim
    return this.#sessionClaim === claim
  }

  /** {@link isMeant}, by the claim that names the session on this server. */
  isMeant (target: OrderTarget, who: OrderSubject): boolean {
    return isMeant(target, who, this.sessionClaim)
  }

  /** {@link isMeantForGood}, by the claim that names the session on this server. */
  isMeantForGood (target: OrderTarget, who: OrderSubject): boolean {
    return isMeantForGood(target, who, this.sessionClaim)
  }

  /**
   * Whether every order is remembered that may mean somebody who began then. Nobody else can be let in safely.
   *
   * @param began in milliseconds of the clock
   */
  remembers (began: number): boolean {
    return this.#now() - began <= this.#keep && began > this.#dropped
  }

  /**
   * Remembers an order.
   *
   * @param code the close code; `undefined` for that of a logout
   * @param given when it was given
   * @returns the order, for {@link delete}
   */
  add (target: OrderTarget, { code, reason, given = this.#now() }: { code?: number | undefined, reason: string, given?: number }): RecentOrder {
    const order = { target, given, code, reason, isForgotten: false }
    const key = keyOf(target)
    const orders = this.#index.get(key)
    if (orders === undefined) this.#index.set(key, new Set([order]))
    else orders.add(order)
    ;(this.#names === undefined && isLasting(target) ? this.#lasting : this.#passing).add(order)
    this.#tidy()
    return order
  }

  /**
   * Remembers who a plugin without a hub was told to refuse, and logs once where it has to forget others for that.
   *
   * @param log of the server
   */
  refuse (target: OrderTarget, log: { warn (details: object, text: string): void }): void {
    const before = this.overflowed
    this.add(target, { reason: 'disconnected' })
    if (!before && this.overflowed) {
      log.warn({ limit: this.#limit }, 'sessions that were ended have to be forgotten, and may come again: too many were ended in too short a time')
    }
  }

  /** Forgets an order that had no effect. */
  delete (order: RecentOrder): void {
    if (!this.#lasting.delete(order) && !this.#passing.delete(order)) return
    const key = keyOf(order.target)
    const indexed = this.#index.get(key) as Set<RecentOrder>
    indexed.delete(order)
    if (indexed.size === 0) this.#index.delete(key)
  }

  /**
   * Finds an order that refuses somebody. Where it may be among those that were dropped, that is an order to try again.
   *
   * @param began when the upgrade, or what else is decided on, began
   */
  find (who: OrderSubject, began: number): RecentOrder | undefined {
    if (began <= this.#dropped) return { target: {}, given: this.#dropped, code: CloseCode.TRY_AGAIN_LATER, reason: 'try again', isForgotten: true }
    if (this.size === 0) return undefined
    this.#tidy()
    for (const key of [`a ${who.subject}`, `b ${sessionOf(who.claims, this.sessionClaim)}`, `c ${tokenIdOf(who)}`, 'd']) {
      for (const order of this.#index.get(key) ?? []) {
        if (began <= order.given ? this.isMeant(order.target, who) : this.#names === undefined && this.isMeantForGood(order.target, who)) return order
      }
    }
    return undefined
  }

  #tidy (): void {
    const now = this.#now()
    for (const [orders, life] of [[this.#passing, this.#keep], [this.#lasting, this.#life]] as const) {
      for (const order of orders) {
        const isOver = now - order.given > life
        if (!isOver && orders.size <= this.#limit) break
        if (!isOver) {
          this.#dropped = Math.max(this.#dropped, order.given)
          if (orders === this.#lasting) this.#overflowUntil = Math.max(this.#overflowUntil, order.given + life)
        }
        this.delete(order)
      }
    }
  }
}

function isLasting ({ session, tokenId }: OrderTarget): boolean {
  return session !== undefined || tokenId !== undefined
}

function keyOf ({ subject, session, tokenId }: OrderTarget): string {
  if (subject !== undefined) return `a ${subject}`
  if (session !== undefined) return `b ${session}`
  return tokenId === undefined ? 'd' : `c ${tokenId}`
}

const all = new WeakMap<object, RecentOrders>()

/** Returns the recent orders that all plugins on a server share. */
export function recentOrdersOf (server: Server | object): RecentOrders {
  let orders = all.get(server)
  if (orders === undefined) all.set(server, orders = new RecentOrders())
  return orders
}
