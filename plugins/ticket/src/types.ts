import type { TicketRateState } from './rate-counter.js'

/** What a ticket is bound to, and what it carries. */
export interface IssueOptions {
  /**
   * Where the ticket is good, such as the name of a socket route.
   * @default the plugin's `audience`
   */
  audience?: string
  /**
   * What the redeemer learns besides the subject. Kept as JSON.
   * @default {}
   */
  claims?: Record<string, unknown>
  /**
   * The session that the ticket belongs to. It becomes the claim that names the session, so that the redeemer learns it too.
   * @default that claim of `claims`, `sid` unless `sessionClaim` names another
   */
  session?: string
  /**
   * When the request for the ticket began, in milliseconds since the epoch. Who is disconnected or has its tickets revoked
   * after that gets none. In a route of your own, `Date.now() - reply.elapsedTime`.
   * @default now
   */
  requestedAt?: number
  /**
   * Life in milliseconds, at most 900000.
   * @default the plugin's `ttl`
   */
  ttl?: number
  /**
   * The only `Origin` that may redeem it.
   * @default any
   */
  origin?: string
  /**
   * The only client address that may redeem it. For IPv6 the /64 counts.
   * @default any
   */
  ip?: string
  /**
   * Whether it may be redeemed any number of times until it expires.
   * @default the plugin's `reuse`
   */
  reuse?: boolean
}

/** A new ticket. Nobody else has it: the store knows only its hash. */
export interface IssuedTicket {
  /** 32 random bytes in base64url. A secret: send it to its owner and to nobody else. */
  ticket: string
  /** Its life in whole seconds, rounded down, at least 1. */
  expiresIn: number
  /** When it stops being valid, in milliseconds since the epoch. */
  expiresAt: number
  /** The subprotocol to offer with it. */
  protocol: string
}

/** Who presents a ticket, and where. */
export interface RedeemContext {
  /**
   * Where the ticket is presented.
   * @default the plugin's `audience`
   */
  audience?: string | undefined
  /** The request's `Origin` header. */
  origin?: string | undefined
  /** The client's address. */
  ip?: string | undefined
}

/** What a good ticket proves. */
export interface RedeemedTicket {
  /** The subject it was issued to. */
  subject: string
  /** The claims given to `issue()`, as a new object. */
  claims: Record<string, unknown>
  /** When the ticket would have expired, in milliseconds since the epoch. */
  expiresAt: number
}

/**
 * Whose tickets are revoked. At least one member is needed. One that is there and `undefined` is an error: leave `session` out
 * to mean all sessions of the subject.
 */
export interface RevokeTarget {
  /** The user. */
  subject?: string
  /** The session. A ticket without one counts for its subject, if that is given. */
  session?: string
}

/** The decorator `fastify.wsTickets`. */
export interface WsTickets {
  /**
   * How `route.rateLimit.counter` is, and what it has done: one live object, for health and metrics; `null` without a counter.
   */
  readonly rateCounter: Readonly<TicketRateState> | null

  /** The audience of tickets that name none. */
  readonly audience: string

  /**
   * Issues a ticket to a subject.
   *
   * @throws {@link WSA_TICKET_ERR_ARGUMENT} when an argument is wrong
   * @throws {@link WSA_TICKET_ERR_REVOKED} when the subject was disconnected or its tickets were revoked meanwhile
   * @throws {@link WSA_TICKET_ERR_BUSY} when the request began too long ago to know
   * @throws {@link WSA_TICKET_ERR_STORE_FULL} when the store has no room
   * @throws {@link WSA_TICKET_ERR_STORE_CLOSED} when the server is closing
   * @throws {@link WSA_TICKET_ERR_UNAVAILABLE} when the store fails or is late
   */
  issue (subject: string, options?: IssueOptions): Promise<IssuedTicket>

  /**
   * Redeems a ticket.
   *
   * A ticket that is presented to another audience stays valid: its owner may still use it in the right place. A ticket
   * that is presented to its own audience from a wrong bound Origin or address is used up: somebody else has it.
   *
   * A ticket that was requested before its subject or its session was disconnected or revoked is refused, as far as this
   * server knows of it: by its hub from every node, by its guard and handshake, and by {@link WsTickets.revoke} of its own.
   *
   * @param ticket any value; only what looks like a ticket reaches the store
   * @returns `null` for everything that is not a live ticket in this context
   * @throws {@link WSA_TICKET_ERR_STORE_CLOSED} when the server is closing
   * @throws {@link WSA_TICKET_ERR_UNAVAILABLE} when the store fails or is late
   */
  redeem (ticket: string, context?: RedeemContext): Promise<RedeemedTicket | null>

  /**
   * Like {@link WsTickets.redeem}, but returns and throws synchronously when the store does. This saves promises on each
   * upgrade.
   */
  redeemNow (ticket: string, context?: RedeemContext): RedeemedTicket | null | Promise<RedeemedTicket | null>

  /**
   * Whether it is already certain that there is no such ticket, for any audience. Always `false` with a store that has
   * to be asked over a network. Uses nothing up and never throws.
   */
  isUnknown (ticket: string): boolean

  /**
   * Invalidates every outstanding ticket of a subject, of a session, or of a session of a subject. A ticket that is being
   * issued or redeemed on this server meanwhile is refused; on other nodes, if the hub disconnects the subject or session as
   * well, or if you call this on each of them.
   *
   * @param target a subject, or whose tickets else
   * @returns how many were removed; the count may include expired tickets
   * @throws {@link WSA_TICKET_ERR_ARGUMENT} when it is not clear whose tickets are meant, or when the store, one of your own,
   *   cannot revoke by session alone; nothing is removed then
   * @throws {@link WSA_TICKET_ERR_STORE_CLOSED} when the server is closing
   * @throws {@link WSA_TICKET_ERR_UNAVAILABLE} when the store fails or is late
   *
   * @example
   * await app.wsTickets.revoke('alice')
   * await app.wsTickets.revoke({ subject: 'alice', session: 's1' })
   */
  revoke (target: string | RevokeTarget): Promise<number>
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Issues and redeems tickets. */
    wsTickets: WsTickets
  }
}
