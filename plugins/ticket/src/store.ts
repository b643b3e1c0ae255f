/** What a store keeps of a ticket: enough to check it, not enough to make it. */
export interface TicketRecord {
  /** The subject it was issued to. */
  subject: string
  /** The audience it is good for. */
  audience: string
  /** The claims as JSON text: no store can change them, and no two redeemers share an object. */
  claims: string
  /** When it expires, in milliseconds since the epoch. At exactly this time it is expired. */
  expiresAt: number
  /** Whether `take` leaves it in place. */
  reuse: boolean
  /** The only Origin that may redeem it, or `null`. The store only keeps it. */
  origin: string | null
  /** The only address key that may redeem it, or `null`. The store only keeps it. */
  ip: string | null
  /** The session that it belongs to. Missing if there is none, and in records of earlier versions. */
  session?: string
  /** When the request for it began, in milliseconds since the epoch, with fractions. The store only keeps it. */
  requestedAt?: number
}

/** Default time that a store has for an answer, in milliseconds: in the plugin, and in the stores' drivers. */
export const STORE_TIMEOUT = 2_000

/** Where a store reports what an operator should know: a Fastify or pino logger. */
export interface StoreLog {
  warn (details: object, message: string): void
}

/**
 * Where tickets are kept. A store may answer synchronously or with a promise; promises get a deadline.
 *
 * All text may hold any characters and must come back unchanged. `@fastify-airlock/ticket/contract` tests an
 * implementation.
 */
export interface TicketStore {
  /**
   * Keeps a record.
   *
   * @param hash SHA-256 of the ticket in base64url
   * @param ttl life in milliseconds, for stores that expire by themselves
   * @throws {@link WSA_TICKET_ERR_DUPLICATE} when the store has this hash
   * @throws {@link WSA_TICKET_ERR_STORE_FULL} when the store has no room
   * @throws {@link WSA_TICKET_ERR_STORE_CLOSED} after `close()`
   */
  put (hash: string, record: TicketRecord, ttl: number): Promise<void> | void

  /**
   * Finds the record of this hash and this audience that is valid at `now`, and removes it in the same atomic step unless
   * it is reusable: of any number of takes, from any number of processes, one succeeds. A record that does not match
   * stays as it is.
   *
   * @param now milliseconds since the epoch
   * @throws {@link WSA_TICKET_ERR_STORE_CLOSED} after `close()`
   */
  take (hash: string, audience: string, now: number): Promise<TicketRecord | null> | TicketRecord | null

  /** Whether there may be a record of this hash, for stores that know it synchronously. Changes nothing and never throws. */
  has? (hash: string): boolean

  /**
   * Removes every record of a subject; with a session, those of that session and those that have none.
   *
   * @returns how many
   * @throws {@link WSA_TICKET_ERR_STORE_CLOSED} after `close()`
   */
  revoke (subject: string, session?: string): Promise<number> | number

  /**
   * Removes every record of a session, of every subject. Without this method, tickets can be revoked by session only together
   * with the subject.
   *
   * @returns how many
   * @throws {@link WSA_TICKET_ERR_STORE_CLOSED} after `close()`
   */
  revokeSession? (session: string): Promise<number> | number

  /**
   * Removes a record that nobody shall have. Without this method, a ticket whose subject logs out meanwhile is taken, or
   * revoked if it is reusable.
   *
   * @throws {@link WSA_TICKET_ERR_STORE_CLOSED} after `close()`
   */
  remove? (hash: string): Promise<unknown> | unknown

  /** Closes the store. Every later call throws, except of this method. */
  close (): Promise<void> | void

  /** Prepares what the store needs, such as indexes. Called once, before the server listens. */
  ready? (log: StoreLog): Promise<void>
}
