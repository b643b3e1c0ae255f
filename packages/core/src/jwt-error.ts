/** Why a token is refused: only what a client may know. */
export type TokenProblem = 'token expired' | 'token invalid'

const EXPIRED = new Set<unknown>(['FAST_JWT_EXPIRED', 'FST_JWT_AUTHORIZATION_TOKEN_EXPIRED', 'ERR_JWT_EXPIRED'])

/** Errors that speak of the token. Codes of @fastify/jwt and fast-jwt, of jose, and of get-jwks. */
const INVALID = [
  /^FST_JWT_/, /^FAST_JWT_(?!KEY_FETCHING_ERROR)/,
  /^ERR_JW[TSEK]_/, /^ERR_JWKS_(?:NO|MULTIPLE)_MATCHING_KEYS?$/, /^ERR_JOSE_(?:ALG_NOT_ALLOWED|NOT_SUPPORTED)$/,
  /^(?:JWK_NOT_FOUND|DOMAIN_NOT_ALLOWED)$/
]

/** Errors that say that a key could not be had. Codes of fast-jwt, jose, get-jwks, Node and undici. */
const OUTAGE = [
  /^FAST_JWT_KEY_FETCHING_ERROR$/, /^ERR_JWKS_(?:TIMEOUT|INVALID)$/, /^ERR_JOSE_GENERIC$/,
  /^(?:JWKS_REQUEST_FAILED|OPENID_CONFIGURATION_REQUEST_FAILED|NO_JWKS|NO_JWKS_URI)$/,
  /^(?:ECONN|ENOTFOUND$|EAI_AGAIN$|ETIMEDOUT$|EHOSTUNREACH$|ENETUNREACH$|EPIPE$|UND_ERR_)/
]

/** Names of errors without a code: of an AbortSignal, and of `fetch`. */
const OUTAGE_NAMES = new Set(['AbortError', 'TimeoutError'])

/**
 * Says what the error of a verifier means for the client.
 *
 * @param isLookup whether any other error may come from a look-up of the key, and so says nothing about the token
 * @throws the error itself where it means that nobody could find out
 */
export function problemOf (error: unknown, isLookup: boolean): TokenProblem {
  const { code, statusCode } = toObject(error)
  if (EXPIRED.has(code)) return 'token expired'
  if ((statusCode !== undefined && statusCode >= 500) || isOutage(error)) throw error
  if (!isLookup) return 'token invalid'
  if (statusCode !== undefined || (typeof code === 'string' && INVALID.some(pattern => pattern.test(code))) || isNoDate(error)) return 'token invalid'
  throw error
}

/** fast-jwt fails to write down an `exp` or `nbf` that is later than any date. */
function isNoDate (error: unknown): boolean {
  return error instanceof RangeError && error.message === 'Invalid time value'
}

/** How many errors are looked at that have caused each other. */
const MAX_CAUSES = 5

/** Whether the error, or what has caused it, says that nobody could be asked. */
function isOutage (error: unknown, depth = 0): boolean {
  const { code, name, message, cause } = toObject(error)
  return (typeof code === 'string' && OUTAGE.some(pattern => pattern.test(code))) ||
    OUTAGE_NAMES.has(name as string) || (name === 'TypeError' && message === 'fetch failed') ||
    (cause !== undefined && depth < MAX_CAUSES && isOutage(cause, depth + 1))
}

/** Anything may be thrown. */
function toObject (error: unknown): { code?: unknown, statusCode?: number, name?: string, message?: string, cause?: unknown } {
  return error ?? {}
}
