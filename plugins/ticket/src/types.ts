import type { FastifyRequest, onRequestAsyncHookHandler, onRequestHookHandler } from 'fastify'
import type { RouteJwtOptions } from './jwt-hook.js'
import type { TicketStore } from './store.js'

/** What binds a ticket, and what it carries. */
export interface IssueOptions {
  /**
   * Where the ticket is good: the name of a socket route, say.
   * @default the plugin's `audience`
   */
  audience?: string
  /**
   * What the redeemer learns besides the subject. Kept as JSON.
   * @default {}
   */
  claims?: Record<string, unknown>
  /**
   * Life in milliseconds, at most 900000.
   * @default the plugin's `ttl`
   */
  ttl?: number
  /** The only `Origin` that may redeem it. Any may unless given. */
  origin?: string
  /** The only client address that may redeem it; of IPv6 the /64 counts. Any may unless given. */
  ip?: string
  /**
   * Whether it may be redeemed any number of times until it expires.
   * @default the plugin's `reuse`
   */
  reuse?: boolean
}

/** A ticket that was just made. It exists nowhere else: the store knows only its hash. */
export interface IssuedTicket {
  /** 32 random bytes in base64url. A secret: send it to its owner and nowhere else. */
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
  /** Whom it was issued to. */
  subject: string
  /** What was given at `issue()`; an object of the caller's own. */
  claims: Record<string, unknown>
  /** When the ticket would have expired, in milliseconds since the epoch. */
  expiresAt: number
}

/** The decorator `fastify.wsTickets`. */
export interface WsTickets {
  /** The audience of tickets that name none. */
  readonly audience: string

  /**
   * Makes a ticket for a subject.
   *
   * @throws `WSA_TICKET_ERR_ARGUMENT`, `WSA_TICKET_ERR_STORE_FULL`, `WSA_TICKET_ERR_STORE_CLOSED`, `WSA_TICKET_ERR_UNAVAILABLE`
   */
  issue (subject: string, options?: IssueOptions): Promise<IssuedTicket>

  /**
   * Redeems a ticket.
   *
   * A ticket that is shown to another audience stays valid: the key does not fit that lock. One that is shown to its
   * own audience from a wrong bound Origin or address is used up: somebody else holds the key.
   *
   * @param ticket anything; what does not look like a ticket never reaches the store
   * @returns `null` for whatever is not a live ticket in this context
   * @throws `WSA_TICKET_ERR_STORE_CLOSED`, `WSA_TICKET_ERR_UNAVAILABLE`; never because of the ticket
   */
  redeem (ticket: string, context?: RedeemContext): Promise<RedeemedTicket | null>

  /**
   * As {@link WsTickets.redeem}, but answers at once where the store does, and throws at once. What redeems on the way of
   * every upgrade is spared promises by it.
   */
  redeemNow (ticket: string, context?: RedeemContext): RedeemedTicket | null | Promise<RedeemedTicket | null>

  /**
   * Whether it is certain at once that there is no such ticket, for any audience: always `false` with a store that has to
   * be asked over a network. Uses nothing up and never throws.
   */
  isUnknown (ticket: string): boolean

  /**
   * Makes every outstanding ticket of a subject worthless.
   *
   * @returns how many were removed; expired ones that were not swept yet may count
   * @throws `WSA_TICKET_ERR_ARGUMENT`, `WSA_TICKET_ERR_STORE_CLOSED`, `WSA_TICKET_ERR_UNAVAILABLE`
   */
  revoke (subject: string): Promise<number>
}

/** Decides who may have a ticket: a Fastify `onRequest` hook, or several, that refuse by throwing or replying. */
export type Authenticate = onRequestHookHandler | onRequestAsyncHookHandler | Array<onRequestHookHandler | onRequestAsyncHookHandler>

/** Options of the route that issues tickets. */
export interface TicketRouteOptions {
  /**
   * Path of the route, behind the plugin's `prefix`.
   * @default '/ws/ticket'
   */
  path?: string
  /**
   * Refuses whoever is not signed in.
   * @default request.jwtVerify() of @fastify/jwt
   */
  authenticate?: Authenticate
  /**
   * Verifies the JWT once for the route and the first frame together, in place of `request.jwtVerify()`, and takes a
   * token that was shown lately without another check of its signature. Name in it what `@fastify/jwt` was told as
   * `trusted` and `formatUser`: nobody else can ask it. Goes without `authenticate`.
   * @default undefined, for request.jwtVerify()
   */
  jwt?: RouteJwtOptions
  /**
   * Whom the ticket is for; anything but a non-empty string is answered 401.
   * @default request.user.sub
   */
  subject?: (request: FastifyRequest) => string | undefined
  /** What the ticket carries. Nothing unless given. */
  claims?: (request: FastifyRequest) => Record<string, unknown> | Promise<Record<string, unknown>>
  /**
   * Audiences that a request may name.
   * @default [the plugin's audience]
   */
  audiences?: string[]
  /**
   * How often one subject may ask. Needs `@fastify/rate-limit`, registered before: without it the default is not
   * applied, and limits given here are an error. `false` turns it off.
   * @default { max: 60, timeWindow: 60000 }
   */
  rateLimit?: TicketRateLimit | false
  /**
   * The OpenAPI security requirement of the route, for `@fastify/swagger`: it fails on names of schemes that the
   * application has not declared. None is shown unless given.
   */
  security?: Array<Record<string, string[]>>
}

/** How often one subject may ask for tickets. */
export interface TicketRateLimit {
  /**
   * Requests per window.
   * @default 60
   */
  max?: number
  /**
   * The window in milliseconds.
   * @default 60000
   */
  timeWindow?: number
}

/** Options of the plugin. */
export interface WsTicketsOptions {
  /**
   * Where the tickets are kept. Closed together with the server.
   * @default new MemoryStore()
   */
  store?: TicketStore
  /**
   * The audience of tickets that name none.
   * @default 'websocket'
   */
  audience?: string
  /**
   * Life of a ticket in milliseconds, at most 900000 (15 minutes).
   * @default 30000
   */
  ttl?: number
  /**
   * Whether a ticket may be redeemed any number of times until it expires.
   * @default false
   */
  reuse?: boolean
  /**
   * Whether the route binds tickets to the request's `Origin`. A request without one gets an unbound ticket.
   * @default false
   */
  bindOrigin?: boolean
  /**
   * Whether the route binds tickets to the client's address. Behind a proxy this needs Fastify's `trustProxy`.
   * @default false
   */
  bindAddress?: boolean
  /**
   * Time the store has for an answer, in milliseconds. Then the ticket is refused with 503.
   * @default 2000
   */
  storeTimeout?: number
  /**
   * The clock that expiry is measured by, in milliseconds since the epoch.
   * @default Date.now
   */
  now?: () => number
  /**
   * The route that issues tickets; `false` for none.
   * @default {}
   */
  route?: TicketRouteOptions | false
  /**
   * Prefix of the route's path, as in Fastify's `register`.
   * @default ''
   */
  prefix?: string
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Issues and redeems tickets. */
    wsTickets: WsTickets
  }
}
