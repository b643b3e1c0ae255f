import { createError } from '@fastify/error'

/** Time after which another attempt may succeed, in seconds. */
const RETRY_AFTER = 1

/** Fastify sends the headers of an error with the reply, wherever the error was thrown. */
const LATER = { 'retry-after': String(RETRY_AFTER) }

/** An option is missing, unknown, of the wrong type or out of range. HTTP 500. */
export const WSA_INTROSPECT_ERR_OPTION = createError<'WSA_INTROSPECT_ERR_OPTION', [string]>(
  'WSA_INTROSPECT_ERR_OPTION', 'Invalid option: %s', 500, TypeError
)

/** The request carries no token. HTTP 401. */
export class WSA_INTROSPECT_ERR_NO_TOKEN extends createError<'WSA_INTROSPECT_ERR_NO_TOKEN', []>(
  'WSA_INTROSPECT_ERR_NO_TOKEN', 'A token is required', 401
) {
  /** Headers of the HTTP reply (RFC 6750, section 3). */
  readonly headers = { 'www-authenticate': 'Bearer' }
}

/** The authority does not confirm the token. HTTP 401. */
export class WSA_INTROSPECT_ERR_INVALID_TOKEN extends createError<'WSA_INTROSPECT_ERR_INVALID_TOKEN', []>(
  'WSA_INTROSPECT_ERR_INVALID_TOKEN', 'The token is not valid', 401
) {
  /** Headers of the HTTP reply (RFC 6750, section 3.1). */
  readonly headers = { 'www-authenticate': 'Bearer error="invalid_token"' }
}

/** The request carries more than one token. HTTP 400. */
export const WSA_INTROSPECT_ERR_MULTIPLE_TOKENS = createError<'WSA_INTROSPECT_ERR_MULTIPLE_TOKENS', []>(
  'WSA_INTROSPECT_ERR_MULTIPLE_TOKENS', 'Send exactly one token', 400
)

/**
 * The request's target has a fragment or user information, or the token's query begins with `;` in place of `?`: no place
 * for a token (RFC 6750, section 2.3). HTTP 400.
 */
export const WSA_INTROSPECT_ERR_TARGET = createError<'WSA_INTROSPECT_ERR_TARGET', []>(
  'WSA_INTROSPECT_ERR_TARGET', 'A token in the URL has to come after a question mark, in a URL without fragment and user information', 400
)

/** The authority gave no answer, or no reliable one; `cause` says why. HTTP 503. */
export class WSA_INTROSPECT_ERR_UNAVAILABLE extends createError<'WSA_INTROSPECT_ERR_UNAVAILABLE', [{ cause: unknown }]>(
  'WSA_INTROSPECT_ERR_UNAVAILABLE', 'Tokens cannot be checked at the moment', 503
) {
  /** Time after which another attempt may succeed, in seconds. */
  readonly retryAfter = RETRY_AFTER
  /** Headers of the HTTP reply. */
  readonly headers = LATER
}

/** Too many questions wait for the authority, so that this one did not get its turn in time. HTTP 503. */
export class WSA_INTROSPECT_ERR_BUSY extends createError<'WSA_INTROSPECT_ERR_BUSY', []>(
  'WSA_INTROSPECT_ERR_BUSY', 'Too many tokens are being checked', 503
) {
  /** Time after which another attempt may succeed, in seconds. */
  readonly retryAfter = RETRY_AFTER
  /** Headers of the HTTP reply. */
  readonly headers = LATER
}

/** The client's address has `pendingPerAddress` questions without an answer. HTTP 429. */
export class WSA_INTROSPECT_ERR_TOO_MANY_PENDING extends createError<'WSA_INTROSPECT_ERR_TOO_MANY_PENDING', []>(
  'WSA_INTROSPECT_ERR_TOO_MANY_PENDING', 'Too many tokens from this address are being checked', 429
) {
  /** Time after which another attempt may succeed, in seconds. */
  readonly retryAfter = RETRY_AFTER
  /** Headers of the HTTP reply (RFC 6585, section 4). */
  readonly headers = LATER
}

/** More tokens from the client's address were refused than `refusalRate` allows. HTTP 429. */
export class WSA_INTROSPECT_ERR_TOO_MANY_REFUSALS extends createError<'WSA_INTROSPECT_ERR_TOO_MANY_REFUSALS', []>(
  'WSA_INTROSPECT_ERR_TOO_MANY_REFUSALS', 'Too many tokens from this address were refused', 429
) {
  /** Time after which another attempt may succeed, in seconds. */
  readonly retryAfter: number
  /** Headers of the HTTP reply (RFC 6585, section 4). */
  readonly headers: { 'retry-after': string }

  /** @param retryAfter time after which another attempt may succeed, in seconds */
  constructor (retryAfter: number) {
    super()
    this.retryAfter = retryAfter
    this.headers = { 'retry-after': String(retryAfter) }
  }
}

/** The client has left while its token was being checked. HTTP 400, which nobody gets but the log. */
export const WSA_INTROSPECT_ERR_CLIENT_LEFT = createError<'WSA_INTROSPECT_ERR_CLIENT_LEFT', []>(
  'WSA_INTROSPECT_ERR_CLIENT_LEFT', 'The client has left', 400
)

/** `watch` or `tokenOf` was given a request that was not authenticated by `fastify.wsIntrospect`. HTTP 500. */
export const WSA_INTROSPECT_ERR_NOT_AUTHENTICATED = createError<'WSA_INTROSPECT_ERR_NOT_AUTHENTICATED', []>(
  'WSA_INTROSPECT_ERR_NOT_AUTHENTICATED', 'The request was not authenticated by fastify.wsIntrospect', 500
)
