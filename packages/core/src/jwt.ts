import type { FastifyInstance } from 'fastify'
import * as v from 'valibot'
import { createClaimsCheck } from './claims.js'
import type { WsClaims } from './identity.js'
import { isThenable } from './next.js'
import { callback, nonEmptyString, type OptionError } from './options.js'
import { type JwtDecorator, type ReadClaims, type TokenCacheOptions, tokenCacheOf, tokenCacheOptions } from './token-cache.js'

/** How JWTs are verified. The claims `exp` and `sub` are always required. */
export interface JwtOptions {
  /**
   * Verifies a token's signature and returns its claims, or throws. Replaces `fastify.jwt.verify`, for keys that are
   * looked up (in a JWKS, for example). An error with a `statusCode` of 500 or more means "could not find out"; any other
   * error means "invalid".
   * @default fastify.jwt.verify
   */
  verify?: ((token: string) => object | Promise<object>) | undefined
  /** The `namespace` that `@fastify/jwt` was registered with, where it was. */
  namespace?: string | undefined
  /**
   * Signature algorithms that are accepted (RFC 8725, section 3.1). With `verify`, no check is made unless given.
   * @default the algorithms that @fastify/jwt was told to verify, else the one it signs with, else HS256
   */
  algorithms?: string[] | undefined
  /** Accepted `iss` claims. Not checked unless given. */
  issuer?: string | string[] | undefined
  /** Accepted `aud` claims; one match is enough. Not checked unless given. */
  audience?: string | string[] | undefined
  /**
   * How long a token that `fastify.jwt` has verified counts as verified, so that the ticket route and the first frame
   * need one signature check between them; `false` verifies each time. `exp`, the subject and your hooks are checked each
   * time in any case. A withdrawn key counts for up to `ttl` longer, unless {@link clearTokenCaches} is called. With
   * `verify`, or a function as the secret of `@fastify/jwt`, nothing is cached.
   * @default { ttl: 60000, max: 10000 }
   */
  cache?: TokenCacheOptions | false | undefined
}

/** The valibot schema of {@link JwtOptions}. */
export const jwtOptions = v.strictObject({
  verify: v.optional(callback<NonNullable<JwtOptions['verify']>>()),
  namespace: v.optional(nonEmptyString),
  algorithms: v.optional(v.pipe(v.array(nonEmptyString), v.nonEmpty())),
  issuer: v.optional(v.union([nonEmptyString, v.array(nonEmptyString)])),
  audience: v.optional(v.union([nonEmptyString, v.array(nonEmptyString)])),
  cache: v.optional(tokenCacheOptions)
})

/** A token that passed every check. */
export interface VerifiedToken {
  /** The `sub` claim. */
  subject: string
  /** The `exp` claim, in milliseconds since the epoch. */
  expiresAt: number
  /** The `iat` claim, in milliseconds since the epoch; `null` where there is none. */
  issuedAt: number | null
  /** Every claim of the token. */
  claims: WsClaims
}

/** Why a token is refused: only what a client may know. */
export type TokenProblem = 'token expired' | 'token invalid'

/** Checks a token; asynchronous only where the verification is. */
export type JwtVerifier = (token: string) => VerifiedToken | TokenProblem | Promise<VerifiedToken | TokenProblem>

interface Claims {
  sub?: unknown
  exp?: unknown
  iat?: unknown
  iss?: unknown
  aud?: unknown
}

/**
 * Creates the verifier that the upgrade and the first frame share. It uses the verifier that `@fastify/jwt` prepared at
 * registration: options per call would prepare key and verifier again for each token. What such options would check is
 * checked here, after the signature.
 *
 * @throws the given error where there is nothing to verify with
 */
export function createJwtVerifier (fastify: FastifyInstance, options: JwtOptions, InvalidOption: OptionError): JwtVerifier {
  let { verify, algorithms }: { verify?: ReadClaims | undefined, algorithms?: string[] | undefined } = options
  if (verify === undefined) {
    const jwt = jwtDecorator(fastify, options.namespace)
    if (jwt === undefined) throw new InvalidOption('verify: register @fastify/jwt first, or give a function')
    verify = tokenCacheOf(jwt, options.cache)?.read ?? (token => jwt.verify(token))
    algorithms ??= jwt.options.verify.algorithms ?? [jwt.options.sign.algorithm ?? 'HS256']
  }
  const allowedAlgorithm = algorithms === undefined ? () => true : algorithmCheck(algorithms)
  const problemOfClaims = createClaimsCheck(options)

  return token => {
    try {
      const claims = verify(token)
      return isThenable(claims)
        ? Promise.resolve(claims).then(claims => check(token, claims as Claims), problemOf)
        : check(token, claims)
    } catch (error) {
      return problemOf(error)
    }
  }

  function check (token: string, claims: Claims): VerifiedToken | TokenProblem {
    const { sub, exp, iat } = claims
    if (
      !allowedAlgorithm(token) ||
      typeof sub !== 'string' || sub === '' ||
      typeof exp !== 'number' || !Number.isFinite(exp) ||
      problemOfClaims(claims) !== null
    ) return 'token invalid'
    const expiresAt = exp * 1000
    if (expiresAt <= Date.now()) return 'token expired'
    return { subject: sub, expiresAt, issuedAt: typeof iat === 'number' ? iat * 1000 : null, claims: claims as WsClaims }
  }
}

function jwtDecorator (fastify: FastifyInstance, namespace: string | undefined): JwtDecorator | undefined {
  const { jwt } = fastify as unknown as { jwt?: JwtDecorator & Record<string, JwtDecorator> }
  return namespace === undefined ? jwt : jwt?.[namespace]
}

function algorithmCheck (algorithms: string[]): (token: string) => boolean {
  // Only headers with a valid signature get here: there are few different ones.
  const known = new Set<string>()
  return token => {
    const header = token.slice(0, token.indexOf('.'))
    if (known.has(header)) return true
    const { alg } = JSON.parse(Buffer.from(header, 'base64url').toString()) as { alg: string }
    if (!algorithms.includes(alg)) return false
    if (known.size < 16) known.add(header)
    return true
  }
}

function problemOf (error: unknown): TokenProblem {
  const { code, statusCode } = error as { code?: string, statusCode?: number }
  if (statusCode !== undefined && statusCode >= 500) throw error
  return code === 'FAST_JWT_EXPIRED' || code === 'ERR_JWT_EXPIRED' ? 'token expired' : 'token invalid'
}
