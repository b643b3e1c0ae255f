import type { FastifyInstance, FastifyRequest } from 'fastify'
import * as v from 'valibot'
import { createClaimsCheck } from './claims.js'
import type { WsClaims } from './identity.js'
import { Misuse, type Rule } from './decision.js'
import { WSA_CORE_ERR_KEYS_UNAVAILABLE } from './errors.js'
import { problemOf, type TokenProblem } from './jwt-error.js'
import { createHeaderCheck } from './jwt-header.js'
import { type JwtSource, jwtSource, type ReadToken } from './jwt-source.js'
import { isThenable } from './next.js'
import { nearestName } from './nearest.js'
import { errorStatus } from './outage.js'
import { callback, nonEmptyString, type OptionError, optionsObject } from './options.js'
import { SetUp } from './set-up.js'
import { type TokenCacheOptions, tokenCacheOptions } from './token-cache.js'

/** How JWTs are verified. The claims `exp` and `sub` are always required. */
export interface JwtOptions {
  /**
   * Verifies a token's signature and returns its claims, or throws. Replaces `@fastify/jwt`, for keys that are looked up
   * elsewhere. An error with a `statusCode` of 500 or more, and one of a key server or a database that could not be asked,
   * means "could not find out"; any other error means "invalid". A function that declares the request as a parameter has it
   * at hand each time; otherwise it is `null` after the upgrade, unless `perRequest` is true.
   * @default the verifier of @fastify/jwt
   */
  verify?: ((token: string, request: FastifyRequest | null) => object | PromiseLike<object>) | undefined
  /** The `namespace` that `@fastify/jwt` was registered with, where it was. */
  namespace?: string | undefined
  /**
   * The name that `@fastify/jwt` was told for `request.jwtVerify`, where it was.
   * @default 'jwtVerify', and with a namespace `${namespace}JwtVerify`
   */
  jwtVerify?: string | undefined
  /**
   * Whether each token is verified by `request.jwtVerify()`, as in a route. Only so does `@fastify/jwt` call its function
   * `trusted`, and a function as its `secret` with the request. The connection keeps its request then, which takes about
   * 2 KiB, and no token is cached.
   * @default true where `secret` is a function, and where `verify` has two parameters, else false
   */
  perRequest?: boolean | undefined
  /**
   * Signature algorithms that are accepted (RFC 8725, section 3.1). With `verify`, no check is made unless given.
   * @default the algorithms that @fastify/jwt was told to verify, else the one it signs with, else those of its key
   */
  algorithms?: string[] | undefined
  /** Required `typ` of the header, such as `at+jwt` (RFC 9068). Not checked unless given. */
  typ?: string | undefined
  /** Accepted `iss` claims. Not checked unless given. */
  issuer?: string | string[] | undefined
  /** Accepted `aud` claims; one match is enough. Not checked unless given. */
  audience?: string | string[] | undefined
  /**
   * How far the issuer's clock may be ahead or behind, in milliseconds: `exp` counts that much longer, `nbf` earlier.
   * @default that of @fastify/jwt; 0 with `verify`
   */
  clockTolerance?: number | undefined
  /**
   * How long a token that `fastify.jwt` has verified counts as verified, so that the ticket route and the first frame
   * need one signature check between them; `false` verifies each time. `exp`, the subject and your hooks are checked each
   * time in any case. A withdrawn key counts for up to `ttl` longer, unless {@link clearTokenCaches} is called. With
   * `verify`, or a function as the secret of `@fastify/jwt`, nothing is cached.
   * @default { ttl: 60000, max: 10000 }
   */
  cache?: TokenCacheOptions | false | undefined
}

const ALGORITHMS = [
  'HS256', 'HS384', 'HS512', 'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'ES256K', 'EdDSA', 'Ed25519', 'Ed448',
  'ML-DSA-44', 'ML-DSA-65', 'ML-DSA-87'
]

/** The name of a signature algorithm (RFC 7518, section 3.1, and its successors); case counts. */
const algorithm = v.pipe(
  nonEmptyString,
  v.check(name => name !== 'none', "'none' would let anybody be anybody"),
  v.check(
    name => ALGORITHMS.includes(name) || nearestName(name, ALGORITHMS)?.toLowerCase() !== name.toLowerCase(),
    ({ input }) => `case counts: \`${nearestName(input, ALGORITHMS) as string}\``
  )
)

const oneOrMore = v.union([nonEmptyString, v.pipe(v.array(nonEmptyString), v.nonEmpty())])

/** The valibot schema of {@link JwtOptions}. */
export const jwtOptions = optionsObject({
  verify: v.optional(callback<NonNullable<JwtOptions['verify']>>()),
  namespace: v.optional(nonEmptyString),
  jwtVerify: v.optional(nonEmptyString),
  perRequest: v.optional(v.boolean()),
  algorithms: v.optional(v.pipe(v.array(algorithm), v.nonEmpty())),
  typ: v.optional(nonEmptyString),
  issuer: v.optional(oneOrMore),
  audience: v.optional(oneOrMore),
  clockTolerance: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(0))),
  cache: v.optional(tokenCacheOptions)
})

/** A token that passed every check. */
export interface VerifiedToken {
  /** The `sub` claim. */
  subject: string
  /** The `exp` claim and the clock tolerance, in milliseconds since the epoch. */
  expiresAt: number
  /** The `iat` claim, in milliseconds since the epoch; `null` where there is none. */
  issuedAt: number | null
  /** Every claim of the token. */
  claims: WsClaims
}

/** Checks a token; asynchronous only where the verification is. */
export interface JwtVerifier {
  /**
   * @param request the request that the token belongs to; may be left out unless {@link usesRequest}
   * @throws or rejects where it could not find out whether the token is valid
   */
  (token: string, request?: FastifyRequest | null): VerifiedToken | TokenProblem | Promise<VerifiedToken | TokenProblem>
  /** Whether it needs the request. */
  readonly usesRequest: boolean
}

interface Claims {
  sub?: unknown
  exp?: unknown
  nbf?: unknown
  iat?: unknown
  iss?: unknown
  aud?: unknown
}

/** The latest date there is, in milliseconds since the epoch (ECMA-262, section 21.4.1.1). */
const END_OF_TIME = 8.64e15

/**
 * Creates the verifier that the upgrade and the first frame share. It uses the verifier that `@fastify/jwt` prepared at
 * registration: options per call would prepare key and verifier again for each token. What such options would check is
 * checked here, after the signature.
 *
 * A token with a valid signature that is refused for what it says is logged once for each reason: a client cannot be told
 * more than that it is invalid, and it is usually a mistake of the set-up.
 *
 * @throws the given error where there is nothing to verify with
 */
export function createJwtVerifier (fastify: FastifyInstance, options: JwtOptions, InvalidOption: OptionError): JwtVerifier {
  const source: JwtSource = options.verify === undefined
    ? jwtSource(fastify, options, InvalidOption)
    : ownSource(options.verify, options, InvalidOption)
  const { read, ignoresNotBefore } = source
  const { algorithms = source.algorithms, clockTolerance = source.clockTolerance, typ } = options
  // A function of one's own need not know JWTs at all.
  const problemOfHeader = options.verify === undefined || algorithms !== undefined || typ !== undefined
    ? createHeaderCheck({ algorithms, typ })
    : () => null
  const problemOfClaims = createClaimsCheck(options)
  const setUp = SetUp.of(fastify)
  const misuse = Misuse.of(fastify, 'WSA_CORE_WARN_ANSWER')

  const verifier = (token: string, request: FastifyRequest | null = null): ReturnType<JwtVerifier> => {
    try {
      const claims = read(token, request)
      return isThenable(claims)
        ? Promise.resolve(claims).then(claims => readAnswer(token, claims), refuseFor)
        : readAnswer(token, claims)
    } catch (error) {
      return refuseFor(error)
    }
  }
  return Object.assign(verifier, { usesRequest: source.usesRequest })

  // A function of the application's that looks keys up may fail in any way; a verifier that it has written says no.
  function refuseFor (error: unknown): TokenProblem {
    const isOwn = options.verify !== undefined
    try {
      const problem = problemOf(error, source.usesRequest && !isOwn)
      const why = isOwn ? mistakeIn(error) : null
      if (why !== null) setUp.warnOf(JWT_REFUSED, why, `a JWT is refused, and perhaps not for its own fault: ${why}`, { err: error })
      return problem
    } catch (error) {
      // The client may try again, and gets to know nothing of what is wrong.
      throw (errorStatus(error) ?? 0) >= 500 ? error : new WSA_CORE_ERR_KEYS_UNAVAILABLE('the issuer', { cause: error })
    }
  }

  function readAnswer (token: string, claims: unknown): VerifiedToken | TokenProblem {
    if (typeof claims === 'object' && claims !== null && !Array.isArray(claims)) return check(token, claims)
    misuse.answer(VERIFIES, claims)
    return 'token invalid'
  }

  function check (token: string, claims: Claims): VerifiedToken | TokenProblem {
    const { sub, exp, nbf, iat } = claims
    const header = problemOfHeader(token)
    if (header !== null) return refuse(HEADER_CURES[Object.keys(header)[0] as keyof typeof HEADER_CURES], { ...header, algorithms, typ })
    const problem = problemOfClaims(claims)
    if (problem !== null) return refuse(problem, { iss: claims.iss, aud: claims.aud })
    if (typeof sub !== 'string' || sub === '') return refuse('a JWT needs a `sub` claim, the id of the user as a string')
    if (!isDate(exp)) return refuse('a JWT needs an `exp` claim, in seconds since the epoch: give sign.expiresIn to @fastify/jwt')
    if ((nbf !== undefined && !isDate(nbf)) || (iat !== undefined && !isDate(iat))) {
      return refuse('`nbf` and `iat` of a JWT are numbers of seconds since the epoch')
    }
    const now = Date.now()
    const expiresAt = exp * 1000 + clockTolerance
    if (expiresAt <= now) return 'token expired'
    if (!ignoresNotBefore && nbf !== undefined && nbf * 1000 - clockTolerance > now) return 'token invalid'
    return { subject: sub, expiresAt, issuedAt: iat === undefined ? null : iat * 1000, claims: claims as WsClaims }
  }

  function refuse (why: string, details: object = {}): TokenProblem {
    setUp.warnOf(JWT_REFUSED, why, `a JWT with a valid signature is refused: ${why}`, details)
    return 'token invalid'
  }
}

const VERIFIES: Rule = { hook: 'jwt.verify', expected: 'the claims', cure: 'return the claims of the token as an object, and throw where it is not valid' }
/** The code of the warning about a token with a good signature that is refused. Given once for each reason. */
const JWT_REFUSED = 'WSA_CORE_WARN_JWT_REFUSED'

/** A verifier of the application's own. */
function ownSource (verify: ReadToken, { perRequest = verify.length > 1, namespace, jwtVerify }: JwtOptions, InvalidOption: OptionError): JwtSource {
  if (namespace !== undefined) throw new InvalidOption('namespace: it is of @fastify/jwt, which is not asked where verify is given')
  if (jwtVerify !== undefined) throw new InvalidOption('jwtVerify: it is of @fastify/jwt, which is not asked where verify is given')
  return { read: verify, algorithms: undefined, clockTolerance: 0, ignoresNotBefore: false, usesRequest: perRequest }
}

/** Whether an error of the application's own verifier says more of the verifier, or of its options, than of the token. */
function mistakeIn (error: unknown): string | null {
  const { code, claim } = (error ?? {}) as { code?: unknown, claim?: unknown }
  // jose looks at claims after the signature.
  if (code === 'ERR_JWT_CLAIM_VALIDATION_FAILED' && typeof claim === 'string') return `verify does not accept its \`${claim}\``
  if (error instanceof TypeError || error instanceof ReferenceError || error instanceof RangeError) return 'verify has thrown an error that speaks of no token'
  return null
}

/** What to do about a header that is refused. */
const HEADER_CURES = {
  alg: 'its algorithm is not accepted; name it in `algorithms` where it should be',
  typ: 'its `typ` is not the one that is required',
  crit: '`crit` is not a list of names (RFC 7515, section 4.1.11)'
}

function isDate (value: unknown): value is number {
  return typeof value === 'number' && Math.abs(value) * 1000 <= END_OF_TIME
}
