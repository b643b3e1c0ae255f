/** How long a disconnection is remembered, in milliseconds. */
const MAX_AGE = 10 * 60_000

/** How many are remembered. */
const MAX_ORDERS = 10_000

/** That a user is to be disconnected. */
export interface Order {
  subject: string
  code: number
  reason: string
  /** How long ago it was given, in milliseconds. Connections that are younger are none of its business. */
  age: number
}

/**
 * The disconnections that this node has ordered lately, for those who could not hear of them: an expelled user must
 * not stay on a node just because the bus was down.
 */
export class Orders {
  readonly #recent = new Map<string, { code: number, reason: string, at: number }>()

  /** @param now a monotonic time in milliseconds */
  add (subject: string, code: number, reason: string, now: number): void {
    // The order of a Map is that of insertion, and so that of age.
    this.#recent.delete(subject)
    this.#recent.set(subject, { code, reason, at: now })
    for (const [oldest, { at }] of this.#recent) {
      if (this.#recent.size <= MAX_ORDERS && now - at <= MAX_AGE) break
      this.#recent.delete(oldest)
    }
  }

  /** Those of the last `age` milliseconds. */
  within (age: number, now: number): Order[] {
    const orders: Order[] = []
    for (const [subject, { code, reason, at }] of this.#recent) {
      if (now - at <= age) orders.push({ subject, code, reason, age: now - at })
    }
    return orders
  }
}
