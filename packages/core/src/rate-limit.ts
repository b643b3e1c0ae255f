/** How many messages a client may send. */
export interface Rate {
  /** Messages a second in the long run. */
  perSecond: number
  /** Messages at once. */
  burst: number
}

/** What a {@link RateLimit} keeps of a client. */
export interface Metered {
  /** Time at which the client's bucket is full again, in milliseconds; `null` before the first message. */
  paidUntil: number | null
}

/**
 * A token bucket, kept as the one time at which it would be full again (the generic cell rate algorithm): no timer
 * refills it, and a message costs a comparison and an addition.
 */
export class RateLimit {
  readonly #interval: number
  readonly #tolerance: number

  constructor ({ perSecond, burst }: Rate) {
    this.#interval = 1_000 / perSecond
    this.#tolerance = (burst - 1) * this.#interval
  }

  /**
   * Counts one message.
   *
   * @param now a monotonic time in milliseconds
   * @returns whether the message is within the limit; one that is not costs the client nothing
   */
  take (client: Metered, now: number): boolean {
    const from = Math.max(client.paidUntil ?? 0, now)
    if (from - now > this.#tolerance) return false
    client.paidUntil = from + this.#interval
    return true
  }

  /** Counts one message that cannot be undone, within the limit or not: what is beyond has to be waited for. */
  add (client: Metered, now: number): void {
    client.paidUntil = Math.max(client.paidUntil ?? 0, now) + this.#interval
  }

  /**
   * Time until one more is within the limit, in milliseconds; 0 where it is now.
   *
   * @param now a monotonic time in milliseconds
   */
  wait (client: Metered, now: number): number {
    return Math.max((client.paidUntil ?? 0) - now - this.#tolerance, 0)
  }
}
