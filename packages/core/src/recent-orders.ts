import type { Server } from 'node:http'

/** What a claim can be compared with. */
export type OrderValue = string | number | boolean | null

/** Whom an order means: those to whom all of its members apply. At least one is given. */
export interface OrderTarget {
  /** The user. */
  subject?: string | undefined
  /** The session: the claim `sid` (OpenID Connect). Who has none counts for the subject, if there is one. */
  session?: string | undefined
  /** The token: the claim `jti` (RFC 7519, section 4.1.7). Who has none counts for the subject, if there is one. */
  tokenId?: string | undefined
  /** Claims and their values. */
  where?: Record<string, OrderValue> | undefined
}

/** The part of an identity that orders look at. */
export interface OrderSubject {
  subject: string
  claims?: object | undefined
}

function claimOf ({ claims }: OrderSubject, name: string): unknown {
  return claims !== undefined && Object.hasOwn(claims, name) ? (claims as Record<string, unknown>)[name] : undefined
}

/** Whether an order means somebody. */
export function isMeant ({ subject, session, tokenId, where }: OrderTarget, who: OrderSubject): boolean {
  if (subject !== undefined && subject !== who.subject) return false
  for (const [wanted, found] of [[session, claimOf(who, 'sid')], [tokenId, claimOf(who, 'jti')]]) {
    if (wanted !== undefined && wanted !== found && (found !== undefined || subject === undefined)) return false
  }
  return where === undefined || Object.entries(where).every(([name, value]) => claimOf(who, name) === value)
}

/** Whether an order means somebody by a session or a token, which are over for good: it means those who come later as well. */
export function isMeantForGood (target: OrderTarget, who: OrderSubject): boolean {
  const { session, tokenId } = target
  return ((session !== undefined && session === claimOf(who, 'sid')) || (tokenId !== undefined && tokenId === claimOf(who, 'jti'))) &&
    isMeant(target, who)
}

/** An order that is remembered. */
export interface RecentOrder {
  target: OrderTarget
  /** When it was given, in milliseconds of the clock. */
  given: number
  /** The close code that it wants. */
  code: number
  /** The close reason that it wants. */
  reason: string
}

/** How long an order is remembered for those who are on their way in, in milliseconds, unless somebody may take longer. */
const KEEP_MS = 60_000

/** How long an order that means a session or a token is remembered, in milliseconds, unless they may live longer. */
const LIFE_MS = 24 * 60 * 60_000

/** How many orders are remembered. */
const MAX_ORDERS = 100_000

/**
 * The recent orders to disconnect on one server. Whoever lets somebody in looks here last: somebody who began before the
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

  /** @param now a monotonic clock, in milliseconds */
  constructor (now: () => number = () => performance.now()) {
    this.#now = now
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
   */
  keepFor (keep: number, life = 0): void {
    this.#keep = Math.max(this.#keep, keep)
    this.#life = Math.max(this.#life, life)
  }

  /** @param given when it was given */
  add (target: OrderTarget, { code, reason, given = this.#now() }: { code: number, reason: string, given?: number }): void {
    const order = { target, given, code, reason }
    const key = keyOf(target)
    const orders = this.#index.get(key)
    if (orders === undefined) this.#index.set(key, new Set([order]))
    else orders.add(order)
    ;(isLasting(target) ? this.#lasting : this.#passing).add(order)
    this.#tidy()
  }

  /**
   * Finds an order that refuses somebody.
   *
   * @param began when the upgrade, or what else is decided on, began
   */
  find (who: OrderSubject, began: number): RecentOrder | undefined {
    if (this.size === 0) return undefined
    this.#tidy()
    for (const key of [`a ${who.subject}`, `b ${claimOf(who, 'sid')}`, `c ${claimOf(who, 'jti')}`, 'd']) {
      for (const order of this.#index.get(key) ?? []) {
        if (began <= order.given ? isMeant(order.target, who) : isMeantForGood(order.target, who)) return order
      }
    }
    return undefined
  }

  #tidy (): void {
    const now = this.#now()
    for (const [orders, life] of [[this.#passing, this.#keep], [this.#lasting, this.#life]] as const) {
      for (const order of orders) {
        if (now - order.given <= life && orders.size <= MAX_ORDERS) break
        orders.delete(order)
        const key = keyOf(order.target)
        const indexed = this.#index.get(key) as Set<RecentOrder>
        indexed.delete(order)
        if (indexed.size === 0) this.#index.delete(key)
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
