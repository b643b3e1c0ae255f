import createError from '@fastify/error'

/** Seconds after which another try is sensible. */
const RETRY_AFTER = 1

/** Fastify sends an error's headers with the reply, wherever the error comes to the surface. */
const LATER = { 'retry-after': String(RETRY_AFTER) }

/** `WSA_INTROSPECT_ERR_OPTION` (500): an option is missing, unknown, of the wrong type or out of range. */
export const WSA_INTROSPECT_ERR_OPTION = createError<[string]>(
  'WSA_INTROSPECT_ERR_OPTION', 'Invalid option: %s', 500, TypeError
)

/** `WSA_INTROSPECT_ERR_NO_TOKEN` (401): the request carries no token. */
export class WSA_INTROSPECT_ERR_NO_TOKEN extends createError<[]>(
  'WSA_INTROSPECT_ERR_NO_TOKEN', 'A token is required', 401
) {
  /** Headers of the HTTP reply (RFC 6750, section 3). */
  readonly headers = { 'www-authenticate': 'Bearer' }
}

/** `WSA_INTROSPECT_ERR_INVALID_TOKEN` (401): the authority does not vouch for the token. */
export class WSA_INTROSPECT_ERR_INVALID_TOKEN extends createError<[]>(
  'WSA_INTROSPECT_ERR_INVALID_TOKEN', 'The token is not valid', 401
) {
  /** Headers of the HTTP reply (RFC 6750, section 3.1). */
  readonly headers = { 'www-authenticate': 'Bearer error="invalid_token"' }
}

/** `WSA_INTROSPECT_ERR_MULTIPLE_TOKENS` (400): the request carries more than one token. */
export const WSA_INTROSPECT_ERR_MULTIPLE_TOKENS = createError<[]>(
  'WSA_INTROSPECT_ERR_MULTIPLE_TOKENS', 'Send exactly one token', 400
)

/** `WSA_INTROSPECT_ERR_UNAVAILABLE` (503): the authority gave no answer, or none to rely on; `cause` says why. */
export class WSA_INTROSPECT_ERR_UNAVAILABLE extends createError<[{ cause: unknown }]>(
  'WSA_INTROSPECT_ERR_UNAVAILABLE', 'Tokens cannot be checked at the moment', 503
) {
  /** Seconds after which another try is sensible. */
  readonly retryAfter = RETRY_AFTER
  /** Headers of the HTTP reply. */
  readonly headers = LATER
}

/** `WSA_INTROSPECT_ERR_BUSY` (503): as many questions are waiting for the authority as may. */
export class WSA_INTROSPECT_ERR_BUSY extends createError<[]>(
  'WSA_INTROSPECT_ERR_BUSY', 'Too many tokens are being checked', 503
) {
  /** Seconds after which another try is sensible. */
  readonly retryAfter = RETRY_AFTER
  /** Headers of the HTTP reply. */
  readonly headers = LATER
}

/** `WSA_INTROSPECT_ERR_NOT_AUTHENTICATED` (500): `watch` was handed a request that was not authenticated here. */
export const WSA_INTROSPECT_ERR_NOT_AUTHENTICATED = createError<[]>(
  'WSA_INTROSPECT_ERR_NOT_AUTHENTICATED', 'The request was not authenticated by fastify.wsIntrospect', 500
)
