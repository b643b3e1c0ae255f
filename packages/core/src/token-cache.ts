import { hash } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import * as v from 'valibot'
import { isThenable } from './next.js'
import { milliseconds, positiveInteger } from './options.js'

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
  v.strictObject({ ttl: v.optional(milliseconds), max: v.optional(positiveInteger) })
])

/** The part of `fastify.jwt` that is used. */
export interface JwtDecorator {
  verify (token: string): object | Promise<object>
  lookupToken (request: object): string
  options: {
    verify: { algorithms?: string[], maxAge?: unknown, complete?: boolean, extractToken?: unknown }
    sign: { algorithm?: string }
    decoratorName: string
    messages: { authorizationTokenUntrusted: string }
  }
}

/** Returns the claims of a token, or throws or rejects where it is not good. */
export type ReadClaims = (token: string) => object | Promise<object>

/**
 * Remembers which tokens one verifier has lately found good, so that a visit whose token is shown twice, at the ticket
 * route and in the first frame, pays for one signature. What is kept is a SHA-256 of the token and nothing of its claims:
 * they are read from the token each time, so nobody shares an object with another request.
 *
 * Everything but signature and issue is checked anew each time: `exp` here, the rest by the caller.
 */
export class TokenCache {
  readonly #verify: ReadClaims
  readonly #max: number
  readonly #halfLife: number
  readonly #now: () => number
  // Two generations: a token is in one of them for at least half of the time, and in none after all of it.
  #young = new Set<string>()
  #old = new Set<string>()
  #turnsAt = 0
  #timer: NodeJS.Timeout | undefined

  /**
   * @param verify what finds a token good
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

  /** The claims of a token that is good, now or lately; throws or rejects as the verifier does. */
  readonly read: ReadClaims = token => {
    const key = digest(token)
    this.#turn()
    if (this.#young.has(key) || this.#old.has(key)) {
      const claims = readClaims(token)
      if (typeof claims.exp === 'number' && claims.exp * 1000 > Date.now()) return claims
    }
    const claims = this.#verify(token)
    // Where the key has to be fetched it may be another one the next time.
    if (!isThenable(claims)) this.#add(key)
    return claims
  }

  /** Notes that the verifier has found a token good. */
  add (token: string): void {
    this.#turn()
    this.#add(digest(token))
  }

  /** Forgets everything. */
  clear (): void {
    this.#young = new Set()
    this.#old = new Set()
  }

  /** Lets go of memory that nobody asks for any more. The timer calls it; a test may as well. */
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
    // A turn that comes late began when it was due, or what it has would live for longer.
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

/** Of a token that has been verified before, to the letter. */
function readClaims (token: string): { exp?: unknown } {
  const start = token.indexOf('.') + 1
  return JSON.parse(Buffer.from(token.slice(start, token.indexOf('.', start)), 'base64url').toString())
}

/** The caches of each verifier, by their settings: what has the same ones shares a cache. */
const caches = new WeakMap<object, Map<string, TokenCache>>()

/**
 * The cache that everything with the same `fastify.jwt` and the same settings shares; `null` where a token must be
 * verified each time: where that is asked for, where the key may depend on the request, where the age of a token counts
 * (`maxAge`), or where `fastify.jwt` returns something else than the claims (`complete`).
 */
export function tokenCacheOf (jwt: JwtDecorator, options: TokenCacheOptions | false = {}): TokenCache | null {
  const { maxAge, complete } = jwt.options.verify
  if (options === false || maxAge !== undefined || complete === true || !hasStaticKey(jwt)) return null
  let all = caches.get(jwt)
  if (all === undefined) caches.set(jwt, all = new Map())
  const settings = JSON.stringify([options.ttl, options.max])
  let cache = all.get(settings)
  if (cache === undefined) all.set(settings, cache = new TokenCache(token => jwt.verify(token), options))
  return cache
}

/** A function as the key makes a verifier that answers with a promise, and this token is refused before it is called. */
function hasStaticKey (jwt: JwtDecorator): boolean {
  try {
    const answer: unknown = jwt.verify('-')
    if (isThenable(answer)) answer.then(undefined, () => {})
    return false
  } catch {
    return true
  }
}

/**
 * Forgets every token that was lately verified with the keys of `@fastify/jwt`: call it when a key is withdrawn. Without
 * it such tokens may be taken for as long as the cache's `ttl`.
 *
 * @param fastify an instance on which `fastify.jwt` is there
 */
export function clearTokenCaches (fastify: FastifyInstance): void {
  const { jwt } = fastify as unknown as { jwt?: object }
  for (const verifier of [jwt, ...Object.values(jwt ?? {})]) {
    for (const cache of caches.get(verifier as object)?.values() ?? []) cache.clear()
  }
}
