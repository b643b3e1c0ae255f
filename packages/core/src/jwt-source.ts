import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { OptionError } from './options.js'
import { hasDynamicKey, type JwtDecorator, readClaims, tokenCacheOf, type TokenCacheOptions } from './token-cache.js'

/** Returns the claims of a token, or throws or rejects where its signature is not valid. */
export type ReadToken = (token: string, request: FastifyRequest | null) => object | PromiseLike<object>

/** How the tokens of an application are verified. */
export interface JwtSource {
  read: ReadToken
  /** Accepted algorithms, unless an option says otherwise; `undefined` where the verifier alone decides. */
  algorithms: readonly string[] | undefined
  /** How far the clock of the issuer may be ahead or behind, in milliseconds. */
  clockTolerance: number
  /** Whether `nbf` does not count, as the application has told `@fastify/jwt`. */
  ignoresNotBefore: boolean
  /** Whether {@link read} needs the request: where the key depends on it. */
  usesRequest: boolean
}

/** What decides where {@link jwtSource} takes keys from. */
export interface JwtSourceOptions {
  namespace?: string | undefined
  jwtVerify?: string | undefined
  perRequest?: boolean | undefined
  cache?: TokenCacheOptions | false | undefined
}

/** What the verifier returns with `verify.complete`. */
interface Complete {
  payload: object
}

type VerifyRequest = (this: object, options?: object) => PromiseLike<unknown>

/**
 * Finds the verifier that `@fastify/jwt` prepared at registration.
 *
 * @throws the given error where there is none, or none that can be used
 */
export function jwtSource (fastify: FastifyInstance, options: JwtSourceOptions, InvalidOption: OptionError): JwtSource {
  const jwt = findDecorator(fastify, options.namespace, InvalidOption)
  const { algorithms, clockTolerance = 0, complete, ignoreNotBefore = false } = jwt.options.verify
  const unsupported = UNSUPPORTED.find(name => Boolean(jwt.options.verify[name]))
  if (unsupported !== undefined) {
    throw new InvalidOption(`verify: @fastify/jwt has verify.${unsupported}, and a connection ends when its token does: register @fastify/jwt once more with a namespace and without it, and name the namespace here, or give verify a function`)
  }
  if (algorithms?.includes('none') === true) {
    throw new InvalidOption("verify: @fastify/jwt has 'none' in verify.algorithms, so anybody could be anybody: leave it out, or give verify a function")
  }
  const isDynamic = hasDynamicKey(jwt)
  if (isDynamic && options.perRequest === false) {
    throw new InvalidOption('perRequest: @fastify/jwt has a function as its secret, which needs the request')
  }
  const usesRequest = options.perRequest ?? (isDynamic || (jwt as Marked)[kTrusted] === true)
  const readStatic: ReadToken = complete === true ? token => (jwt.verify(token) as Complete).payload : token => jwt.verify(token)
  return {
    read: usesRequest ? requestReader(fastify, options, InvalidOption) : tokenCacheOf(jwt, options.cache)?.read ?? readStatic,
    // An empty list is none to fast-jwt either.
    algorithms: algorithms != null && algorithms.length > 0 ? algorithms : isDynamic ? undefined : pinnedAlgorithms(jwt),
    clockTolerance,
    ignoresNotBefore: ignoreNotBefore,
    usesRequest
  }
}

// Registered, since an application may hold several copies of this package.
const kTrusted = Symbol.for('airlock.trusted')

interface Marked {
  [kTrusted]?: true
}

/**
 * Notes that `@fastify/jwt` was given a function as `trusted`, which it does not tell other plugins: every token is then
 * verified by `request.jwtVerify()`, unless `perRequest` is false.
 *
 * @param jwt `fastify.jwt`, or that of a namespace
 */
export function noteTrusted (jwt: object): void {
  (jwt as Marked)[kTrusted] = true
}

/** Options of `@fastify/jwt` that accept tokens whose time is over. */
const UNSUPPORTED = ['ignoreExpiration', 'clockTimestamp'] as const

function findDecorator (fastify: FastifyInstance, namespace: string | undefined, InvalidOption: OptionError): JwtDecorator {
  const { jwt } = fastify as unknown as { jwt?: Partial<JwtDecorator> & Record<string, unknown> }
  if (jwt === undefined) throw new InvalidOption('verify: register @fastify/jwt first, or give a function')
  const found = (namespace === undefined ? jwt : jwt[namespace]) as Partial<JwtDecorator> | undefined
  if (typeof found?.verify === 'function' && found.options !== undefined) return found as JwtDecorator
  const namespaces = Object.keys(jwt).filter(name => typeof (jwt[name] as Partial<JwtDecorator> | undefined)?.verify === 'function')
  throw new InvalidOption(namespaces.length === 0
    ? 'verify: fastify.jwt is not that of @fastify/jwt; give a function'
    : `namespace: @fastify/jwt is registered as ${namespaces.map(name => `'${name}'`).join(', ')}; name one of them`)
}

/**
 * The algorithm that the application signs with. For a key pair without `sign.algorithm`, and for a public key alone, it
 * is every one that the key allows: fast-jwt never takes a public key for the secret of an HMAC.
 */
function pinnedAlgorithms (jwt: JwtDecorator): readonly string[] {
  const { algorithm } = jwt.options.sign
  if (algorithm !== undefined) return [algorithm]
  return isAllowed(jwt, 'HS256') ? ['HS256'] : ALGORITHMS.filter(algorithm => isAllowed(jwt, algorithm))
}

const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'] as const

/** Asks the verifier itself: its key is nowhere to be read. It looks at the algorithm before the signature. */
function isAllowed (jwt: JwtDecorator, alg: string): boolean {
  const [header, payload] = [{ alg, typ: 'JWT' }, {}].map(part => Buffer.from(JSON.stringify(part)).toString('base64url'))
  try {
    jwt.verify(`${header}.${payload}.AAAA`)
  } catch (error) {
    if ((error as { code?: unknown }).code === 'FAST_JWT_INVALID_ALGORITHM') return false
  }
  return true
}

/**
 * Verifies as a route does, by `request.jwtVerify()`: it alone calls a function that was given as `secret` with the
 * request and the token, and asks `trusted`.
 */
function requestReader (fastify: FastifyInstance, options: JwtSourceOptions, InvalidOption: OptionError): ReadToken {
  const { namespace, jwtVerify = namespace === undefined ? 'jwtVerify' : `${namespace}JwtVerify` } = options
  if (!fastify.hasRequestDecorator(jwtVerify)) {
    throw new InvalidOption(`jwtVerify: there is no request.${jwtVerify}(); name the one that @fastify/jwt was told`)
  }
  return async (token, request) => {
    // Not the request itself: the route may have set `request.user`, and it stays as it is.
    const asking = Object.create(request) as Record<string, VerifyRequest>
    // Without a request this throws: a token that nobody has verified must not be read.
    await (asking[jwtVerify] as VerifyRequest)({ extractToken: () => token })
    // Its answer may be what `formatUser` or `complete` makes of the claims.
    return readClaims(token)
  }
}
