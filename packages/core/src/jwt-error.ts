import { errorStatus, isOutage, toObject } from './outage.js'

/** Why a token is refused: only what a client may know. */
export type TokenProblem = 'token expired' | 'token invalid'

const EXPIRED = new Set<unknown>(['FAST_JWT_EXPIRED', 'FST_JWT_AUTHORIZATION_TOKEN_EXPIRED', 'ERR_JWT_EXPIRED'])

/** Errors that speak of the token. Codes of @fastify/jwt and fast-jwt, of jose, and of get-jwks. */
const INVALID = [
  /^FST_JWT_/, /^FAST_JWT_(?!KEY_FETCHING_ERROR)/,
  /^ERR_JW[TSEK]_/, /^ERR_JWKS_(?:NO|MULTIPLE)_MATCHING_KEYS?$/, /^ERR_JOSE_(?:ALG_NOT_ALLOWED|NOT_SUPPORTED)$/,
  /^(?:JWK_NOT_FOUND|DOMAIN_NOT_ALLOWED)$/
]

/**
 * Says what the error of a verifier means for the client.
 *
 * @param isLookup whether any other error may come from a look-up of the key, and so says nothing about the token
 * @throws the error itself where it means that nobody could find out
 */
export function problemOf (error: unknown, isLookup: boolean): TokenProblem {
  const { code, statusCode } = toObject(error)
  if (EXPIRED.has(code)) return 'token expired'
  // A status that is no error's, such as that of a redirection, is no word about the token either.
  if (isOutage(error) || (statusCode !== undefined && errorStatus(error) === undefined)) throw error
  if (!isLookup) return 'token invalid'
  if (errorStatus(error) !== undefined || (typeof code === 'string' && INVALID.some(pattern => pattern.test(code))) || isNoDate(error)) return 'token invalid'
  throw error
}

/** fast-jwt fails to write down an `exp` or `nbf` that is later than any date. */
function isNoDate (error: unknown): boolean {
  return error instanceof RangeError && error.message === 'Invalid time value'
}
