import {
  callback, milliseconds, nonEmptyString, offOr, optionsObject, parseOptions, positiveInteger, type WsClaims
} from '@fastify-airlock/core'
import { MAX_CONTROL_BYTES } from '@fastify-airlock/protocol'
import * as v from 'valibot'
import { carrierEntries, type CarrierOptions, requireCarrier } from './carriers.js'
import { circuitBreakerOption, type CircuitBreakerOptions } from './circuit-breaker.js'
import { WSA_INTROSPECT_ERR_OPTION } from './errors.js'
import type { Introspected } from './verdict.js'

/** Options that do not depend on how tokens are looked up. */
export interface CommonOptions extends CarrierOptions {
  /**
   * Time for an answer, in milliseconds. It includes waiting for a turn, connecting and reading.
   * @default 1000
   */
  timeout?: number
  /**
   * Number of questions that are asked at once, each on a connection of its own. Others wait for their turn. A quarter is
   * kept for re-checks and tokens that were good before, and a quarter for all others. One client address gets no more
   * than it leaves free for others.
   * @default 16
   */
  concurrency?: number
  /**
   * Number of questions that may be without an answer at once, asked or waiting. At one more, the address with the most
   * waiting loses one, or the new one gets 503.
   * @default 1024
   */
  maxPending?: number
  /**
   * Number of questions that one client address (`request.ip`; IPv6 by /64) may have without an answer at once, asked or
   * waiting: so many about tokens that were good before, and so many about others. One more gets 429.
   * @default 256
   */
  pendingPerAddress?: number
  /**
   * How many tokens of one client address (`request.ip`; IPv6 by /64) the authority may refuse. Beyond, the address gets 429
   * for every token that was not good before. Cached refusals do not count, nor do tokens that were good before. `false`
   * for no limit.
   * @default { perSecond: 10, burst: 300 }
   */
  refusalRate?: RefusalRate | false
  /**
   * Number of tokens that are remembered as good before, by their SHA-256. The least recently used go first. 1,000 take
   * about 200 KiB.
   * @default 100000
   */
  rememberedTokens?: number
  /**
   * How long a good answer is cached, in milliseconds, at most until the token's expiry; 0 caches none. A revocation is
   * noticed after this time at the latest.
   * @default 30000
   */
  cacheTtl?: number
  /**
   * How long a refusal is cached, in milliseconds; 0 caches none.
   * @default 5000
   */
  negativeCacheTtl?: number
  /**
   * Number of good answers that are cached, and of refusals, by the SHA-256 of the token. The least recently used go
   * first.
   * @default 10000
   */
  cacheSize?: number
  /**
   * Whether an authority that fails again and again is left alone for a while. Requests get 503 at once meanwhile.
   * @default false
   */
  circuitBreaker?: boolean | CircuitBreakerOptions
  /**
   * Longest token, in bytes. A longer one is invalid, and nobody is asked. Headers have a limit of their own, the
   * `maxHeaderSize` of Node.
   * @default 8192
   */
  maxAuthBytes?: number
  /**
   * Longest time between two checks of a watched connection, in milliseconds. Each check comes at random after half to
   * all of this time.
   * @default 300000
   */
  recheckInterval?: number
  /**
   * How long a watched connection is kept while the authority cannot be asked, in milliseconds since the last good
   * answer.
   * @default 900000
   */
  maxStale?: number
}

/** Type of {@link CommonOptions.refusalRate}. */
export interface RefusalRate {
  /** Refused tokens a second in the long run. */
  perSecond: number
  /** Refused tokens at once. */
  burst: number
}

/** Options for an authority with an endpoint of OAuth 2.0 Token Introspection (RFC 7662). */
export interface AuthorityOptions extends CommonOptions {
  /** The introspection endpoint: an `https:` URL, or an `http:` one of this machine. */
  endpoint: string | URL
  /** Our name at the authority, for HTTP Basic (RFC 6749, section 2.3.1). Requires `clientSecret`. */
  clientId?: string
  /** Our secret at the authority. */
  clientSecret?: string
  /** Our own access token at the authority. Replaces `clientId` and `clientSecret`. */
  bearerToken?: string
  /**
   * The kind of token that is sent as `token_type_hint` (RFC 7662, section 2.1); `false` sends none.
   * @default 'access_token'
   */
  tokenTypeHint?: string | false
  /**
   * Member of the answer that holds the user's id.
   * @default 'sub'
   */
  subjectClaim?: string
  /** Accepted `aud` members; one match is enough. Not checked unless given. */
  audience?: string | string[]
  /** Accepted `iss` members. Not checked unless given. */
  issuer?: string | string[]
  /**
   * How far the authority's clock may be ahead, in milliseconds: a token is valid that much before its `nbf`. `exp` is
   * never extended.
   * @default 5000
   */
  clockTolerance?: number
  /**
   * Makes the claims from the answer.
   * @default the whole answer
   */
  claims?: (answer: Record<string, unknown>) => WsClaims
  /**
   * Largest answer, in bytes.
   * @default 65536
   */
  maxAnswerBytes?: number
  /**
   * Whether an `http:` endpoint on another machine is allowed. Everybody on the way can then read tokens and the secret.
   * @default false
   */
  allowHttp?: boolean
  /** Certificates for TLS in PEM, as in `tls.connect` of Node. TLS is always verified. */
  tls?: {
    /** Certificate authorities. They replace those of Node. */
    ca?: string | Uint8Array | Array<string | Uint8Array>
    /** Our certificate chain. Requires `key`; can replace the other credentials (RFC 8705). */
    cert?: string | Uint8Array
    /** The private key of `cert`. */
    key?: string | Uint8Array
    /** The name that the certificate must have if it is not the endpoint's. */
    servername?: string
  }
}

/** Options for a look-up of your own. */
export interface LookupOptions extends CommonOptions {
  /**
   * Looks a token up. If it throws, it could not find out, and the request gets 503.
   *
   * @param context `signal` is aborted when nobody waits for the answer any more
   * @returns what it found out; `null` for an invalid token
   */
  lookup: Lookup
}

/** Type of {@link LookupOptions.lookup}. */
export type Lookup = (token: string, context: { signal: AbortSignal }) => Introspected | null | Promise<Introspected | null>

/** Options of the plugin. */
export type WsIntrospectOptions = AuthorityOptions | LookupOptions

const name = v.union([nonEmptyString, v.literal(false)])
const names = v.union([nonEmptyString, v.pipe(v.array(nonEmptyString), v.nonEmpty())])
const duration = v.pipe(v.number(), v.safeInteger(), v.minValue(0))

const refusalRate = optionsObject({
  perSecond: v.pipe(v.number(), v.finite(), v.gtValue(0)),
  burst: positiveInteger
})

const common = {
  ...carrierEntries,
  timeout: v.optional(milliseconds, 1_000),
  concurrency: v.optional(positiveInteger, 16),
  maxPending: v.optional(positiveInteger, 1_024),
  pendingPerAddress: v.optional(positiveInteger, 256),
  refusalRate: v.optional(offOr(false, refusalRate, ['object'], '{ perSecond, burst }'), { perSecond: 10, burst: 300 }),
  rememberedTokens: v.optional(positiveInteger, 100_000),
  cacheTtl: v.optional(duration, 30_000),
  negativeCacheTtl: v.optional(duration, 5_000),
  cacheSize: v.optional(positiveInteger, 10_000),
  circuitBreaker: v.optional(circuitBreakerOption, false),
  maxAuthBytes: v.optional(positiveInteger, MAX_CONTROL_BYTES),
  recheckInterval: v.optional(milliseconds, 300_000),
  maxStale: v.optional(milliseconds, 900_000)
}

const lookupOptions = optionsObject({ ...common, lookup: callback<Lookup>() })

type ClaimsOf = NonNullable<AuthorityOptions['claims']>

/** Whatever claims an application has merged, the authority's answer is taken for them unless `claims` makes others. */
const wholeAnswer: ClaimsOf = answer => answer as WsClaims

/** By name, since TypeScript before 5.7 has no parameter for an array of bytes, and would not compile the inferred type. */
interface Bytes extends Uint8Array {}

const pem = v.union([nonEmptyString, v.custom<Bytes>(value => value instanceof Uint8Array)])

const authorityOptions = v.pipe(
  optionsObject({
    ...common,
    endpoint: v.pipe(
      v.union([nonEmptyString, v.instance(URL)], 'Expected a URL; give lookup in its place where there is no endpoint'),
      v.transform(String),
      v.url('Expected a URL'),
      v.transform(url => new URL(url)),
      v.check(({ protocol }) => protocol === 'https:' || protocol === 'http:', 'Expected an https URL'),
      v.check(({ username, password }) => username === '' && password === '', 'Credentials belong in clientId and clientSecret')
    ),
    clientId: v.optional(nonEmptyString),
    clientSecret: v.optional(nonEmptyString),
    bearerToken: v.optional(v.pipe(v.string(), v.regex(/^[\x21-\x7e]+$/, 'Expected printable characters'))),
    tokenTypeHint: v.optional(name, 'access_token'),
    subjectClaim: v.optional(nonEmptyString, 'sub'),
    audience: v.optional(names),
    issuer: v.optional(names),
    clockTolerance: v.optional(duration, 5_000),
    claims: v.optional(callback<ClaimsOf>(), () => wholeAnswer),
    maxAnswerBytes: v.optional(positiveInteger, 64 * 1024),
    allowHttp: v.optional(v.boolean(), false),
    tls: v.optional(optionsObject({
      ca: v.optional(v.union([pem, v.array(pem)])),
      cert: v.optional(pem),
      key: v.optional(pem),
      servername: v.optional(nonEmptyString)
    }))
  }),
  v.forward(v.check(
    ({ endpoint, allowHttp }) => endpoint.protocol === 'https:' || allowHttp || isLoopback(endpoint.hostname),
    'Expected an https URL; with allowHttp, anybody on the way can read tokens and the secret'
  ), ['endpoint']),
  v.forward(v.check(
    ({ clientId, clientSecret }) => (clientId === undefined) === (clientSecret === undefined),
    'clientId and clientSecret go together'
  ), ['clientId']),
  v.forward(v.check(
    ({ clientId, bearerToken }) => clientId === undefined || bearerToken === undefined,
    'Expected clientId and clientSecret, or bearerToken, but not both'
  ), ['bearerToken']),
  v.forward(v.check(({ tls }) => (tls?.cert === undefined) === (tls?.key === undefined), 'cert and key go together'), ['tls']),
  // RFC 7662, section 2.1: the endpoint must require some form of authorization.
  v.forward(v.check(
    ({ clientId, bearerToken, tls }) => [clientId, bearerToken, tls?.cert].some(credential => credential !== undefined),
    'Expected clientId and clientSecret, bearerToken, or tls.cert and tls.key'
  ), ['clientId'])
)

/** {@link LookupOptions} with the defaults filled in. */
export type LookupSettings = v.InferOutput<typeof lookupOptions>

/** {@link AuthorityOptions} with the defaults filled in. */
export type AuthoritySettings = v.InferOutput<typeof authorityOptions>

/** {@link WsIntrospectOptions} with the defaults filled in. */
export type IntrospectSettings = AuthoritySettings | LookupSettings

/**
 * Checks the plugin's options.
 *
 * @throws {@link WSA_INTROSPECT_ERR_OPTION} when an option is wrong
 */
export function parseIntrospectOptions (options: object): IntrospectSettings {
  const settings = 'lookup' in options
    ? parseOptions(lookupOptions, options, WSA_INTROSPECT_ERR_OPTION)
    : parseOptions(authorityOptions, options, WSA_INTROSPECT_ERR_OPTION)
  requireCarrier(settings)
  return settings
}

function isLoopback (hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d+){3}$/.test(hostname)
}
