/** What a store keeps of a ticket: enough to judge it, not enough to make it. */
export interface TicketRecord {
  /** Whom it was issued to. */
  subject: string
  /** Where it is good. */
  audience: string
  /** The claims as JSON text, so that no store changes them and no two redeemers share an object. */
  claims: string
  /** When it stops being valid, in milliseconds since the epoch: valid before, expired at exactly that time. */
  expiresAt: number
  /** Whether a take leaves it in place. */
  reuse: boolean
  /** The only Origin that may redeem it, or `null`. The store only keeps it. */
  origin: string | null
  /** The only address key that may redeem it, or `null`. The store only keeps it. */
  ip: string | null
}

/** Default of the time that a store has for an answer, in milliseconds: the plugin's patience, and the driver's. */
export const STORE_TIMEOUT = 2_000

/** Where a store reports what an operator should know. A Fastify or pino logger will do. */
export interface StoreLog {
  warn (details: object, message: string): void
}

/**
 * Where tickets are kept. A store may answer at once or with a promise; only promises are put under a deadline.
 * `@fastify-airlock/ticket/contract` tests an implementation.
 */
export interface TicketStore {
  /**
   * Keeps a record.
   *
   * @param hash SHA-256 of the ticket in base64url
   * @param ttl life in milliseconds, for stores that expire by themselves
   * @throws `WSA_TICKET_ERR_DUPLICATE`, `WSA_TICKET_ERR_STORE_FULL`, `WSA_TICKET_ERR_STORE_CLOSED`
   */
  put (hash: string, record: TicketRecord, ttl: number): Promise<void> | void

  /**
   * Finds the record of this hash and this audience that is valid at `now` and, unless it is reusable, removes it in
   * the same atomic step: of any number of takes, from any number of processes, one succeeds. A record that does not
   * match stays as it is.
   *
   * @param now milliseconds since the epoch
   * @throws `WSA_TICKET_ERR_STORE_CLOSED`
   */
  take (hash: string, audience: string, now: number): Promise<TicketRecord | null> | TicketRecord | null

  /**
   * Whether there may be a record of this hash; for stores that know at once. Changes nothing and never throws.
   */
  has? (hash: string): boolean

  /**
   * Removes every record of a subject.
   *
   * @returns how many
   * @throws `WSA_TICKET_ERR_STORE_CLOSED`
   */
  revoke (subject: string): Promise<number> | number

  /** Ends the store's work; every later call but this one throws. */
  close (): Promise<void> | void

  /** Makes what the store needs: indexes and the like. Called once, before the server listens. */
  ready? (log: StoreLog): Promise<void>
}
