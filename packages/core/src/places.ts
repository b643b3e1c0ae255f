import type { Server } from 'node:http'

/** Unauthenticated sockets and pending upgrades of one server, unless it is told another number. */
export const PENDING_TOTAL = 10_000

/** Seconds after which a client that found no place may try again, for `Retry-After`. */
export const RETRY_FULL_S = '5'

/** What else a {@link Places} needs. */
export interface PlacesOptions {
  /**
   * How many open sockets count against the limit without having taken a place here before their 101.
   * @default none
   */
  used?: () => number
  /**
   * Called for each upgrade that finds no place.
   * @default does nothing
   */
  onFull?: () => void
}

/**
 * A limit of sockets whose places are taken before the 101. A refusal after the ticket is redeemed would cost the ticket, so
 * the place is taken first, and given back if anything fails. A place belongs to an object: first to the request of the
 * upgrade, then to whatever has become of it. Giving it back twice does no harm, since an upgrade may end in several ways.
 */
export class Places {
  #limit: number
  #isTold = false
  readonly #holders = new Set<object>()
  readonly #used: () => number
  readonly #onFull: () => void

  /** @param limit how many sockets may have a place */
  constructor (limit: number, { used = () => 0, onFull = () => {} }: PlacesOptions = {}) {
    this.#limit = limit
    this.#used = used
    this.#onFull = onFull
  }

  /** Places that were taken and not given back. */
  get taken (): number {
    return this.#holders.size
  }

  /** Whether no place is left. */
  get isFull (): boolean {
    return this.#used() + this.#holders.size >= this.#limit
  }

  /** Sets the limit. Where several say one, the smallest counts. */
  limitTo (limit: number): void {
    this.#limit = this.#isTold ? Math.min(this.#limit, limit) : limit
    this.#isTold = true
  }

  /** Takes a place, if the holder has none. Returns `false` where none is left. */
  take (holder: object): boolean {
    if (this.#holders.has(holder)) return true
    if (this.turnsAway()) return false
    this.#holders.add(holder)
    return true
  }

  /** Whether the holder has a place. */
  has (holder: object): boolean {
    return this.#holders.has(holder)
  }

  /** Whether no place is left for an upgrade, which then counts as one that found none. */
  turnsAway (): boolean {
    if (!this.isFull) return false
    this.#onFull()
    return true
  }

  /** Passes a place on to what its holder has become. Does nothing where the holder has none. */
  pass (holder: object, heir: object): void {
    if (this.#holders.delete(holder)) this.#holders.add(heir)
  }

  /** Gives the place back. Does nothing where the holder has none. */
  giveBack (holder: object): void {
    this.#holders.delete(holder)
  }
}

// Registered symbols, since an application may hold several copies of this package.
const kPending = Symbol.for('airlock.pendingPlaces')
const kPlaces = Symbol.for('airlock.places')

interface WithPlaces {
  [kPending]?: Places
  [kPlaces]?: Places | null
}

/** The places of all that is not authenticated yet on a server: upgrades under way, and sockets that wait for their first frame. */
export function pendingPlacesOf (server: Server | object): Places {
  const holder = server as WithPlaces
  holder[kPending] ??= new Places(PENDING_TOTAL)
  return holder[kPending]
}

/** Says what bounds the connections of a hub; `null` where nothing does. */
export function setPlaces (hub: object, places: Places | null): void {
  Object.defineProperty(hub, kPlaces, { value: places })
}

/**
 * What bounds the connections of the hub of an instance; `null` where nothing does, for a hub of another kind, and where
 * there is none.
 */
export function hubPlacesOf (fastify: object): Places | null {
  return (fastify as { wsHub?: WithPlaces }).wsHub?.[kPlaces] ?? null
}
