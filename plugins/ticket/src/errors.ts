import { createError } from '@fastify/error'

/** Seconds after which another try is sensible. */
const RETRY_AFTER = 1

/** Fastify sends an error's headers with the reply, in any route that throws it. */
const HEADERS = { 'retry-after': String(RETRY_AFTER) }

/** An option given at registration, or to a store's constructor, is wrong. */
export const WSA_TICKET_ERR_OPTION = createError<'WSA_TICKET_ERR_OPTION', [string]>('WSA_TICKET_ERR_OPTION', 'Invalid option: %s', 500)

/** An argument of `issue()` or `revoke()` is wrong. */
export const WSA_TICKET_ERR_ARGUMENT = createError<'WSA_TICKET_ERR_ARGUMENT', [string]>('WSA_TICKET_ERR_ARGUMENT', 'Invalid argument: %s', 500)

/** The request to the route has no subject. */
export const WSA_TICKET_ERR_UNAUTHENTICATED = createError<'WSA_TICKET_ERR_UNAUTHENTICATED', []>('WSA_TICKET_ERR_UNAUTHENTICATED', 'Sign in to get a ticket', 401)

/** The subject was disconnected, or its tickets were revoked, after the request for the ticket had begun. The store keeps no such ticket. */
export const WSA_TICKET_ERR_REVOKED = createError<'WSA_TICKET_ERR_REVOKED', []>('WSA_TICKET_ERR_REVOKED', 'The login has ended meanwhile', 401)

/**
 * The request has cookies and comes from a page of an origin outside `allowedOrigins`, in a way that browsers allow to any
 * page, such as a form.
 */
export const WSA_TICKET_ERR_ORIGIN = createError<'WSA_TICKET_ERR_ORIGIN', []>('WSA_TICKET_ERR_ORIGIN', 'Origin not allowed', 403)

/** The body of the request to the route is not what the route takes; the message says what is wrong. */
export const WSA_TICKET_ERR_BODY = createError<'WSA_TICKET_ERR_BODY', [string]>('WSA_TICKET_ERR_BODY', 'Wrong body: %s', 400)

/** The request to the route names an audience for which the route does not issue tickets. */
export const WSA_TICKET_ERR_AUDIENCE = createError<'WSA_TICKET_ERR_AUDIENCE', []>('WSA_TICKET_ERR_AUDIENCE', 'No tickets are issued for this audience', 400)

/** The route binds tickets to the client's address, and the client has none: it came over a Unix socket. */
export const WSA_TICKET_ERR_NO_ADDRESS = createError<'WSA_TICKET_ERR_NO_ADDRESS', []>(
  'WSA_TICKET_ERR_NO_ADDRESS',
  'bindAddress: the client has no address. Behind a proxy on a Unix socket, set trustProxy and have the proxy send X-Forwarded-For; otherwise turn bindAddress off',
  500
)

/** The subject asks for tickets too often. */
export const WSA_TICKET_ERR_RATE = createError<'WSA_TICKET_ERR_RATE', []>('WSA_TICKET_ERR_RATE', 'Too many tickets', 429)

/** A store was given a hash that it has already. */
export const WSA_TICKET_ERR_DUPLICATE = createError<'WSA_TICKET_ERR_DUPLICATE', []>('WSA_TICKET_ERR_DUPLICATE', 'The store has this hash already', 500)

/** A store was used after `close()`. */
export class WSA_TICKET_ERR_STORE_CLOSED extends createError<'WSA_TICKET_ERR_STORE_CLOSED', []>('WSA_TICKET_ERR_STORE_CLOSED', 'The ticket store is closed', 503) {
  /** Seconds after which another try is sensible. */
  readonly retryAfter = RETRY_AFTER
  /** Headers of the HTTP reply. */
  readonly headers = HEADERS
}

/** The store has as many live tickets as it may. */
export class WSA_TICKET_ERR_STORE_FULL extends createError<'WSA_TICKET_ERR_STORE_FULL', []>('WSA_TICKET_ERR_STORE_FULL', 'The ticket store is full', 503) {
  /** Seconds after which another try is sensible. */
  readonly retryAfter = RETRY_AFTER
  /** Headers of the HTTP reply. */
  readonly headers = HEADERS
}

/** The store failed or gave no answer in time; `cause` says why. */
export class WSA_TICKET_ERR_UNAVAILABLE extends createError<'WSA_TICKET_ERR_UNAVAILABLE', [{ cause: unknown }]>('WSA_TICKET_ERR_UNAVAILABLE', 'Tickets are not available at the moment', 503) {
  /** Seconds after which another try is sensible. */
  readonly retryAfter = RETRY_AFTER
  /** Headers of the HTTP reply. */
  readonly headers = HEADERS
}

/** The key that would verify the JWT cannot be had; `cause` says why. */
export class WSA_TICKET_ERR_KEYS extends createError<'WSA_TICKET_ERR_KEYS', [{ cause: unknown }]>('WSA_TICKET_ERR_KEYS', 'The JWT cannot be verified at the moment', 503) {
  /** Seconds after which another try is sensible. */
  readonly retryAfter = RETRY_AFTER
  /** Headers of the HTTP reply. */
  readonly headers = HEADERS
}

/** The request has waited too long for its turn, because too many clients ask for tickets. */
export class WSA_TICKET_ERR_BUSY extends createError<'WSA_TICKET_ERR_BUSY', []>('WSA_TICKET_ERR_BUSY', 'Too many clients ask for a ticket at the moment', 503) {
  /** Seconds after which another try is sensible. */
  readonly retryAfter = RETRY_AFTER
  /** Headers of the HTTP reply. */
  readonly headers = HEADERS
}
