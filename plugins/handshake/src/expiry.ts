import type { Sweep, Sweepable } from '@fastify-airlock/core'

/** Something that has to happen in time. */
export interface Deadline extends Sweepable {
  /** Called when the time is over. */
  expire (): void
}

/** A connection whose token expires. It holds all that {@link Expiry} knows of it. */
export interface Expirable extends Deadline {
  /** When the token expires, its clock tolerance included, in seconds: a whole number of milliseconds would be an object of its own. */
  exp: number
  /** Whether the client was told that this token expires. */
  warned: boolean
  /** Asks the client for a new token. */
  warn (): void
  /** Closes the connection. */
  refuseExpired (): void
}

/** Settings of an {@link Expiry}. */
export interface ExpirySettings {
  /** Share of a token's life after which the client is told, above 0 and at most 1. */
  expiringAt: number
  /** Time between the token's expiry and the end, in milliseconds. */
  expiryGrace: number
}

/**
 * Ends connections whose token has expired, in two steps: it warns the client first and closes the connection after a
 * grace. The state is in the connections, so one instance serves all connections of a route, however they authenticate.
 */
export class Expiry {
  readonly #sweep: Sweep<Deadline>
  readonly #share: number
  readonly #grace: number
  readonly #now: () => number

  /**
   * @param sweep calls `expire` of a connection whose time has come, which has to call {@link Expiry.advance}
   * @param now the clock, in milliseconds since the epoch
   * @default now Date.now
   */
  constructor (sweep: Sweep<Deadline>, { expiringAt, expiryGrace }: ExpirySettings, now: () => number = Date.now) {
    this.#sweep = sweep
    this.#share = expiringAt
    this.#grace = expiryGrace
    this.#now = now
  }

  /**
   * Starts the life of a token that has come into force; `exp` is set.
   *
   * @param issuedAt the token's `iat`, in milliseconds since the epoch; `null` for now
   */
  start (connection: Expirable, issuedAt: number | null): void {
    connection.warned = false
    const delay = warningDelay(issuedAt, connection.exp * 1000, this.#share, this.#now())
    if (delay > 0) this.#sweep.set(connection, delay)
    else this.#warn(connection)
  }

  /** Takes the next step: warns the client, or ends the connection. */
  advance (connection: Expirable): void {
    if (connection.warned) connection.refuseExpired()
    else this.#warn(connection)
  }

  #warn (connection: Expirable): void {
    connection.warned = true
    connection.warn()
    this.#sweep.set(connection, connection.exp * 1000 + this.#grace - this.#now())
  }
}

/**
 * Time until the client has to be warned, in milliseconds; 0 or less if it is due.
 *
 * @param issuedAt start of the token's life, in milliseconds since the epoch; `null` for now
 * @param expiresAt end of the token's life
 * @param share share of the life after which the client is warned
 */
export function warningDelay (issuedAt: number | null, expiresAt: number, share: number, now: number): number {
  // An issuer whose clock is ahead must not put the expiry off.
  const start = Math.min(issuedAt ?? now, now)
  return start + (expiresAt - start) * share - now
}
