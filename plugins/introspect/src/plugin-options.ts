import type { WsClaims } from '@fastify-airlock/core'
import type { Introspected } from './types.js'

/** Which carriers of a token are read. Exactly one token may be sent. */
export interface CarrierOptions {
  /**
   * Whether `Authorization: Bearer <token>` is read (RFC 6750, section 2.1). Browsers cannot send it with an upgrade.
   * @default true
   */
  header?: boolean
  /**
   * Whether the guard reads `Sec-WebSocket-Protocol: …, bearer.<token>`; `authenticate` never does.
   * @default true
   */
  subprotocol?: boolean
  /**
   * Name of the cookie that carries the token, or `false`. A cookie comes along from any page that can reach the
   * server: guard upgrades with a check of the Origin.
   * @default false
   */
  cookie?: string | false
  /**
   * Name of the query parameter that carries the token, or `false`. A token in a URL is logged, and good until it
   * expires.
   * @default false
   */
  query?: string | false
}

/** When to stop asking an authority that fails; the names are those of `opossum`. */
export interface CircuitBreakerOptions {
  /**
   * Share of failed questions at which no more are asked, in per cent.
   * @default 50
   */
  errorThresholdPercentage?: number
  /**
   * Questions within ten seconds below which it never stops.
   * @default 10
   */
  volumeThreshold?: number
  /**
   * Time after which one question is tried again, in milliseconds.
   * @default 5000
   */
  resetTimeout?: number
}

/** Options however the tokens are looked up. */
export interface CommonOptions extends CarrierOptions {
  /**
   * Time for an answer, in milliseconds: waiting for its turn, connecting and reading included.
   * @default 1000
   */
  timeout?: number
  /**
   * Questions that are asked at once, each on a connection of its own; others wait for their turn.
   * @default 16
   */
  concurrency?: number
  /**
   * Questions that may be without an answer at once, asked or waiting; one more gets 503.
   * @default 1024
   */
  maxPending?: number
  /**
   * How long a good answer is believed, in milliseconds, and never beyond the token's expiry; 0: not at all. A
   * revocation is noticed after this time at the latest.
   * @default 30000
   */
  cacheTtl?: number
  /**
   * How long a refusal is believed, in milliseconds; 0: not at all.
   * @default 5000
   */
  negativeCacheTtl?: number
  /**
   * Good answers that are kept, and refusals besides, by the SHA-256 of the token. The least recently used go first.
   * @default 10000
   */
  cacheSize?: number
  /**
   * Whether an authority that fails again and again is left alone for a while: 503 comes at once then.
   * @default false
   */
  circuitBreaker?: boolean | CircuitBreakerOptions
  /**
   * Longest time between two checks of a watched connection, in milliseconds: each comes after half of it to all of
   * it, at random.
   * @default 300000
   */
  recheckInterval?: number
  /**
   * How long a watched connection is kept while the authority cannot be asked, in milliseconds since it last vouched
   * for the token.
   * @default 900000
   */
  maxStale?: number
}

/** Options for an authority with an endpoint of OAuth 2.0 Token Introspection (RFC 7662). */
export interface AuthorityOptions extends CommonOptions {
  /** The introspection endpoint: an `https:` URL, or an `http:` one of this machine. */
  endpoint: string | URL
  /** Our name at the authority, for HTTP Basic (RFC 6749, section 2.3.1); goes with `clientSecret`. */
  clientId?: string
  /** Our secret at the authority. */
  clientSecret?: string
  /** Our own access token at the authority, instead of `clientId` and `clientSecret`. */
  bearerToken?: string
  /**
   * What the authority is told about the kind of token (RFC 7662, section 2.1), or `false` for nothing.
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
   * How far the authority's clock may be ahead, in milliseconds: `nbf` counts that much earlier. `exp` is never
   * stretched.
   * @default 5000
   */
  clockTolerance?: number
  /**
   * Makes the claims of the answer.
   * @default the whole answer
   */
  claims?: (answer: Record<string, unknown>) => WsClaims
  /**
   * Largest answer, in bytes.
   * @default 65536
   */
  maxAnswerBytes?: number
  /**
   * Whether an `http:` endpoint on another machine is allowed: everybody on the way can read tokens and secret.
   * @default false
   */
  allowHttp?: boolean
  /** Certificates for TLS, which is always verified: PEM, as in `tls.connect` of Node. */
  tls?: {
    /** Certificate authorities, instead of those of Node. */
    ca?: string | Uint8Array | Array<string | Uint8Array>
    /** Our certificate chain; goes with `key`. It can take the place of the other credentials (RFC 8705). */
    cert?: string | Uint8Array
    /** The private key of `cert`. */
    key?: string | Uint8Array
    /** The name that the certificate must have, where it is not the endpoint's. */
    servername?: string
  }
}

/** Options for a look-up of one's own. */
export interface LookupOptions extends CommonOptions {
  /**
   * Looks a token up. What it throws means "could not find out": 503.
   *
   * @param context `signal` is aborted when nobody waits for the answer any more
   * @returns who it is; `null` for a token that is not valid
   */
  lookup: Lookup
}

/** See {@link LookupOptions.lookup}. */
export type Lookup = (token: string, context: { signal: AbortSignal }) => Introspected | null | Promise<Introspected | null>

/** Options of the plugin. */
export type WsIntrospectOptions = AuthorityOptions | LookupOptions
