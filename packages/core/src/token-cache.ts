import { hash } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import * as v from 'valibot'
import { isThenable } from './next.js'
import { milliseconds, optionsObject, positiveInteger } from './options.js'

/** How long and how many verified tokens are remembered. */
export interface TokenCacheOptions {
  /**
   * Longest time for which a token counts as verified, in milliseconds; never beyond its `exp`.
   * @default 60000
   */
  ttl?: number | undefined
  /**
   * Tokens that are remembered at once; the oldest half is forgotten for a new one.
   * @default 10000
   */
  max?: number | undefined
}

/** The valibot schema of {@link TokenCacheOptions}, or `false` for none. */
export const tokenCacheOptions = v.union([
  v.literal(false),
  optionsObject({ ttl: v.optional(milliseconds), max: v.optional(positiveInteger) })
])

/** The part of `fastify.jwt` that is used. */
export interface JwtDecorator {
  verify (token: string): object | Promise<object>
  lookupToken (request: object): string
  options: {
    verify: {
      algorithms?: string[]
      clockTolerance?: number
      maxAge?: unknown
      complete?: boolean
      extractToken?: unknown
      ignoreExpiration?: boolean
      ignoreNotBefore?: boolean
      clockTimestamp?: unknown
    }
    sign: { algorithm?: string }
    decoratorName: string
    messages: { authorizationTokenUntrusted: string }
  }
}

/** Returns the claims of a token, or throws or rejects where it is not good. */
export type ReadClaims = (token: string) => object | Promise<object>

/**
 * Remembers which tokens a verifier has accepted lately. A client shows its token twice, at the ticket route and in the
 * first frame, and pays for one signature. The cache keeps a SHA-256 of the token and none of its claims: they are read
 * from the token each time, so that no two requests share an object.
 *
 * Everything except the signature is checked each time: `exp` here, the rest by the caller.
 */
export class TokenCache {
  readonly #verify: ReadClaims
  readonly #max: number
  readonly #halfLife: number
  readonly #now: () => number
  // Two generations: a token stays for at least half of the ttl and is gone after all of it.
  #young = new Set<string>()
  #old = new Set<string>()
  #turnsAt = 0
  #timer: NodeJS.Timeout | undefined

  /**
   * @param verify verifies a token that is not remembered
   * @param now a monotonic clock, in milliseconds
   */
  constructor (verify: ReadClaims, { ttl = 60_000, max = 10_000 }: TokenCacheOptions = {}, now = (): number => performance.now()) {
    this.#verify = verify
    this.#max = max
    this.#halfLife = ttl / 2
    this.#now = now
  }

  /** Tokens that are remembered. */
  get size (): number {
    return this.#young.size + this.#old.size
  }

  /** Returns the claims of a valid token; throws or rejects as the verifier does. */
  readonly read: ReadClaims = token => {
    const key = digest(token)
    this.#turn()
    if (this.#young.has(key) || this.#old.has(key)) {
      const claims = readClaims(token)
      if (typeof claims.exp === 'number' && claims.exp * 1000 > Date.now()) return claims
    }
    const claims = this.#verify(token)
    // A verifier that answers with a promise may fetch another key the next time.
    if (!isThenable(claims)) this.#add(key)
    return claims
  }

  /** Remembers a token that the verifier has accepted elsewhere. */
  add (token: string): void {
    this.#turn()
    this.#add(digest(token))
  }

  /** Forgets everything. */
  clear (): void {
    this.#young = new Set()
    this.#old = new Set()
  }

  /** Frees the memory of old tokens. The timer calls it; a test may as well. */
  tick (): void {
    this.#timer = undefined
    this.#turn()
    if (this.size > 0) this.#start()
  }

  #add (key: string): void {
    if (this.#young.size >= this.#max / 2) this.#age(this.#young, this.#now())
    this.#young.add(key)
    if (this.#timer === undefined) this.#start()
  }

  /** Forgets what is too old. */
  #turn (): void {
    const now = this.#now()
    const late = now - this.#turnsAt
    if (late < 0) return
    // A late generation counts from when it was due, or its tokens would live longer.
    if (late < this.#halfLife) this.#age(this.#young, this.#turnsAt)
    else this.#age(new Set(), now)
  }

  /** @param since when the generation begins */
  #age (old: Set<string>, since: number): void {
    this.#old = old
    this.#young = new Set()
    this.#turnsAt = since + this.#halfLife
  }

  #start (): void {
    this.#timer = setTimeout(() => this.tick(), this.#halfLife).unref()
  }
}

function digest (token: string): string {
  return hash('sha256', token, 'base64url')
}

/** Reads the claims of a token that has been verified before, byte for byte. */
export function readClaims (token: string): { sub?: unknown, exp?: unknown } {
  const start = token.indexOf('.') + 1
  return JSON.parse(Buffer.from(token.slice(start, token.indexOf('.', start)), 'base64url').toString())
}

/** The caches of each verifier, by their settings: equal settings share one cache. */
const caches = new WeakMap<object, Map<string, TokenCache>>()

/**
 * Returns the cache that all users of one `fastify.jwt` with equal settings share. Returns `null` where each token must
 * be verified each time: where `options` is `false`, where the key may depend on the request, where the age of a token
 * counts (`maxAge`), and where `fastify.jwt` returns more than the claims (`complete`).
 */
export function tokenCacheOf (jwt: JwtDecorator, options: TokenCacheOptions | false = {}): TokenCache | null {
  const { maxAge, complete } = jwt.options.verify
  if (options === false || maxAge !== undefined || complete === true || hasDynamicKey(jwt)) return null
  let all = caches.get(jwt)
  if (all === undefined) caches.set(jwt, all = new Map())
  const settings = JSON.stringify([options.ttl, options.max])
  let cache = all.get(settings)
  if (cache === undefined) all.set(settings, cache = new TokenCache(token => jwt.verify(token), options))
  return cache
}

/**
 * Whether the key is a function, and so may depend on request and token: such a verifier answers with a promise. It
 * refuses this token before it calls the function.
 */
export function hasDynamicKey (jwt: Pick<JwtDecorator, 'verify'>): boolean {
  try {
    const answer: unknown = jwt.verify('-')
    if (isThenable(answer)) answer.then(undefined, () => {})
    return true
  } catch {
    return false
  }
}

/**
 * Forgets every token that was verified lately with the keys of `@fastify/jwt`. Call it when you withdraw a key: until
 * then its tokens may be accepted for up to the cache's `ttl`.
 *
 * @param fastify an instance on which `fastify.jwt` is there
 */
export function clearTokenCaches (fastify: FastifyInstance): void {
  const { jwt } = fastify as unknown as { jwt?: object }
  for (const verifier of [jwt, ...Object.values(jwt ?? {})]) {
    for (const cache of caches.get(verifier as object)?.values() ?? []) cache.clear()
  }
}
