import { type Metered, type Rate, RateLimit } from '@fastify-airlock/core'
import { LruMap } from 'toad-cache'
import { WSA_INTROSPECT_ERR_TOO_MANY_REFUSALS } from './errors.js'

/** Number of addresses whose refusals are counted. */
const ADDRESSES = 10_000

/** Counts the tokens of each client address that an authority refused, and stops an address that has too many. */
export class Refusals {
  readonly #limit: RateLimit | null
  readonly #addresses = new LruMap<Metered>(ADDRESSES)
  readonly #now: () => number

  /** @param now a monotonic clock, in milliseconds */
  constructor (rate: Rate | false, now: () => number) {
    this.#limit = rate === false ? null : new RateLimit(rate)
    this.#now = now
  }

  /** Counts one refusal. A client without an address counts for nobody. */
  count (address: string): void {
    if (this.#limit === null || address === '') return
    let client = this.#addresses.get(address)
    if (client === undefined) this.#addresses.set(address, client = { paidUntil: null })
    // Many may be under way at once: what they use up beyond the limit counts as well.
    this.#limit.add(client, this.#now())
  }

  /** @throws {@link WSA_INTROSPECT_ERR_TOO_MANY_REFUSALS} when the address has reached the limit */
  check (address: string): void {
    const client = this.#addresses.get(address)
    if (client === undefined) return
    const wait = (this.#limit as RateLimit).wait(client, this.#now())
    if (wait > 0) throw new WSA_INTROSPECT_ERR_TOO_MANY_REFUSALS(Math.ceil(wait / 1_000))
  }
}
