import { concernsTopic, fitsTopic, toWallTime, type TopicRights } from '@fastify-airlock/core'
import type { TopicIdentity } from './identity.js'

/** What a right is for. */
export type Access = 'read' | 'write'

/** Orders that are remembered. Beyond them, no token counts that was issued before the oldest was dropped. */
const MAX_ORDERS = 10_000

interface Order extends TopicRights {
  /** In milliseconds since the epoch. */
  given: number
}

/** Reads the claim that grants topics by patterns, and knows when it has to be asked of the application in its place. */
export class ClaimGrants {
  readonly #claim: string
  readonly #wall: () => number
  /** By subject; those of every subject have `undefined`. The one that was given last stands last. */
  readonly #orders = new Map<string | undefined, Order[]>()
  #count = 0
  /** Tokens that were issued before do not count, whatever they say. */
  #floor = -Infinity

  /**
   * @param claim its name
   * @param wall the time of day, in milliseconds since the epoch
   */
  constructor (claim: string, wall: () => number = Date.now) {
    this.#claim = claim
    this.#wall = wall
  }

  /** Notes that rights have changed. */
  revise (rights: TopicRights, given: number): void {
    const order = { ...rights, given: toWallTime(given) }
    let orders = this.#orders.get(rights.subject)
    if (orders === undefined) this.#orders.set(rights.subject, orders = [])
    const same = orders.findIndex(({ topic, wildcard }) => topic === order.topic && wildcard === order.wildcard)
    if (same === -1) this.#count++
    else orders.splice(same, 1)
    orders.push(order)
    if (this.#count <= MAX_ORDERS) return
    for (const all of this.#orders.values()) for (const { given } of all) this.#floor = Math.max(this.#floor, given)
    this.#orders.clear()
    this.#count = 0
  }

  /** Whether the token of a client grants a topic, so that the application need not be asked. */
  grants (identity: TopicIdentity, topic: string, access: Access): boolean {
    const { claims, expiresAt } = identity
    const claim = claims !== undefined && Object.hasOwn(claims, this.#claim) ? claims[this.#claim] : undefined
    if (typeof claim !== 'object' || claim === null || !Object.hasOwn(claim, access)) return false
    const patterns = (claim as Record<Access, unknown>)[access]
    if (!Array.isArray(patterns) || !patterns.some(pattern => typeof pattern === 'string' && fitsTopic(pattern, topic))) return false
    if (typeof expiresAt === 'number' && expiresAt <= this.#wall()) return false
    return !this.#isRevised(identity, topic)
  }

  /** Whether rights have changed since the token was issued, which tells it in whole seconds. */
  #isRevised ({ subject, claims }: TopicIdentity, topic: string): boolean {
    const { iat } = claims as { iat?: unknown }
    const issued = typeof iat === 'number' ? iat * 1_000 : -Infinity
    if (this.#floor > -Infinity && issued <= this.#floor) return true
    for (const orders of [this.#orders.get(subject), this.#orders.get(undefined)]) {
      if (orders?.some(order => order.given >= issued && concernsTopic(order, topic))) return true
    }
    return false
  }
}
