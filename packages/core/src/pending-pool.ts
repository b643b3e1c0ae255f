import { AddressPool } from './address.js'

/**
 * Holds what is pending, and bounds how much of it one client address may have. While all addresses together hold less
 * than the limit, none can exceed it, so no address is asked for: that takes a system call.
 */
export class PendingPool<T> {
  readonly #limit: number
  readonly #addressOf: (holder: T) => string | null
  /** Each holder with its address: `undefined` until it is asked for, `null` where it is not counted. */
  readonly #holders = new Map<T, string | null | undefined>()
  readonly #addresses: AddressPool
  #unasked = 0

  /**
   * @param limit how much one address may have pending at once
   * @param addressOf the key of a holder's address; `null` leaves it uncounted
   */
  constructor (limit: number, addressOf: (holder: T) => string | null) {
    this.#limit = limit
    this.#addressOf = addressOf
    this.#addresses = new AddressPool(limit)
  }

  /** Number of holders. */
  get size (): number {
    return this.#holders.size
  }

  /** Takes a place. Returns `false` and takes none where the holder's address has reached the limit. */
  acquire (holder: T): boolean {
    if (this.#holders.size < this.#limit) {
      this.#holders.set(holder, undefined)
      this.#unasked++
      return true
    }
    if (this.#unasked > 0) this.#askAll()
    return this.#ask(holder)
  }

  /** Gives the place back. Does nothing where the holder has none. */
  release (holder: T): void {
    const address = this.#holders.get(holder)
    if (!this.#holders.delete(holder)) return
    if (address === undefined) this.#unasked--
    else if (address !== null) this.#addresses.release(address)
  }

  #askAll (): void {
    this.#unasked = 0
    for (const [holder, address] of this.#holders) {
      if (address === undefined) this.#ask(holder)
    }
  }

  #ask (holder: T): boolean {
    const address = this.#addressOf(holder)
    if (address !== null && !this.#addresses.acquire(address)) return false
    this.#holders.set(holder, address)
    return true
  }
}
