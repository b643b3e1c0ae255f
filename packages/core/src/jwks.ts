import { decodeJwt, decodeProtectedHeader, errors, jwtVerify, type JWTVerifyGetKey, type JWTVerifyOptions } from 'jose'
import * as v from 'valibot'
import { WSA_CORE_ERR_OPTION } from './errors.js'
import { isSafe, IssuerKeys } from './issuer-keys.js'
import type { JwtOptions } from './jwt.js'
import { callback, milliseconds, nonEmptyString, optionsObject, parseOptions } from './options.js'

/** Options of {@link jwks}. */
export interface JwksOptions {
  /** Accepted `iss` claims, each the URL of an issuer that publishes its keys. */
  issuer: string | string[]
  /** Accepted `aud` claims; one match is enough. Without it a token for another service would do (RFC 9068, section 4). */
  audience: string | string[]
  /**
   * URL of the keys, where the issuer has no discovery document. Goes with one issuer.
   * @default `jwks_uri` of OpenID Connect Discovery 1.0, else of RFC 8414
   */
  jwksUri?: string | undefined
  /**
   * Accepted signature algorithms. Symmetric ones cannot be named: a published key is no secret.
   * @default RS256 to RS512, PS256 to PS512, ES256 to ES512, EdDSA and Ed25519
   */
  algorithms?: string[] | undefined
  /** Required `typ` of the header, such as `at+jwt` (RFC 9068). Not checked unless given. */
  typ?: string | undefined
  /**
   * How far an issuer's clock may be ahead or behind, in milliseconds.
   * @default 5000
   */
  clockTolerance?: number | undefined
  /**
   * Age at which keys are fetched again, in milliseconds. Tokens are verified with the old ones meanwhile. A key that the
   * issuer has withdrawn counts for up to this much longer.
   * @default 600000
   */
  refreshInterval?: number | undefined
  /**
   * Shortest time between two fetches, in milliseconds, however many tokens name unknown keys. Within it such a token is
   * neither valid nor invalid: 503 before the upgrade, 4500 after it, and the client tries again. A token without `kid`
   * that no key verifies may be of an unknown key too, unless its `iat` is older than the keys by more than this time, or it
   * has none while all keys have a `kid`.
   * @default 30000
   */
  cooldown?: number | undefined
  /**
   * How long keys count that cannot be fetched again, in milliseconds. After that no token is taken: 503, 4500.
   * @default 3600000
   */
  maxStale?: number | undefined
  /**
   * Time for an answer of the issuer, in milliseconds.
   * @default 5000
   */
  timeout?: number | undefined
  /**
   * Whether `http:` URLs of other machines are allowed: anybody on the way can put in keys of their own.
   * @default false
   */
  allowHttp?: boolean | undefined
  /** Called each time that keys cannot be fetched; for the log. */
  onError?: ((error: Error, issuer: string) => void) | undefined
  /**
   * The clock, in milliseconds since the epoch; for tests.
   * @default Date.now
   */
  now?: (() => number) | undefined
}

const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519']

const oneOrMore = v.union([nonEmptyString, v.pipe(v.array(nonEmptyString), v.nonEmpty())])
const url = v.pipe(v.string(), v.url('Expected a URL'))

const jwksOptions = v.pipe(
  optionsObject({
    issuer: v.union([url, v.pipe(v.array(url), v.nonEmpty())]),
    audience: oneOrMore,
    jwksUri: v.optional(url),
    algorithms: v.optional(v.pipe(v.array(v.pipe(
      nonEmptyString,
      v.check(name => !/^(?:HS|none$)/.test(name), 'Expected an asymmetric algorithm'),
      v.check(name => ALGORITHMS.includes(name), `Expected one of ${ALGORITHMS.join(', ')}`)
    )), v.nonEmpty()), ALGORITHMS),
    typ: v.optional(nonEmptyString),
    clockTolerance: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(0)), 5_000),
    refreshInterval: v.optional(milliseconds, 600_000),
    cooldown: v.optional(milliseconds, 30_000),
    maxStale: v.optional(milliseconds, 3_600_000),
    timeout: v.optional(milliseconds, 5_000),
    allowHttp: v.optional(v.boolean(), false),
    onError: v.optional(callback<NonNullable<JwksOptions['onError']>>(), () => () => {}),
    now: v.optional(callback<() => number>(), () => Date.now)
  }),
  v.forward(v.check(({ issuer, jwksUri }) => jwksUri === undefined || [issuer].flat().length === 1, 'Goes with one issuer'), ['jwksUri']),
  v.forward(v.check(
    ({ issuer, jwksUri, allowHttp }) => [issuer, jwksUri ?? []].flat().every(url => allowHttp || !URL.canParse(url) || isSafe(url)),
    'Expected https URLs; allowHttp lets anybody on the way put in keys'
  ), ['issuer'])
)

/**
 * Options that verify tokens with the keys that their issuers publish (a JWKS, RFC 7517): for `jwt()` of the guard and
 * `jwt` of the handshake. Keys are found by discovery, cached, and fetched again when a token names one that is not
 * known. Needs the package `jose`, which does the cryptography.
 *
 * @throws {@link WSA_CORE_ERR_OPTION} when an option is not valid
 *
 * @example
 * const options = jwks({ issuer: 'https://id.example.com', audience: 'chat' })
 * await app.register(wsHandshake, { jwt: options })
 * app.wsGuard({ authenticate: jwt(options) })
 */
export function jwks (options: JwksOptions): JwtOptions & { verify: NonNullable<JwtOptions['verify']> } {
  const settings = parseOptions(jwksOptions, options, WSA_CORE_ERR_OPTION)
  const { issuer, audience, algorithms, typ, clockTolerance, cooldown, now } = settings
  const keys = new Map([issuer].flat().map(issuer => [issuer, new IssuerKeys(issuer, settings)]))

  async function verify (token: string): Promise<object> {
    const { iss, iat } = decodeJwt(token)
    const issuerKeys = keys.get(iss as string)
    if (issuerKeys === undefined) throw new errors.JWTClaimValidationFailed('unexpected "iss" claim value', {}, 'iss', 'check_failed')
    const rules = {
      issuer: iss as string,
      audience,
      algorithms,
      ...typ === undefined ? {} : { typ },
      clockTolerance: clockTolerance / 1000,
      currentDate: new Date(now())
    }
    // For a token without `kid`, a key that is not known looks like a wrong signature.
    const isUnnamed = (): boolean => typeof decodeProtectedHeader(token).kid !== 'string'
    return await issuerKeys.use(
      async keys => await verifyWith(token, keys, rules),
      error => error instanceof errors.JWKSNoMatchingKey || (error instanceof errors.JWSSignatureVerificationFailed && isUnnamed()),
      // Its key was there when it was signed. Who lies about `iat` is told "later" in place of "no", and nothing else.
      (fetchedAt, areNamed) => !isUnnamed() || (typeof iat === 'number' ? iat * 1000 + clockTolerance + cooldown > fetchedAt : !areNamed)
    )
  }

  return { verify, issuer, audience, clockTolerance }
}

/** Verifies a token with the key that it names, or with any that fits where it names none. */
async function verifyWith (token: string, keys: JWTVerifyGetKey, rules: JWTVerifyOptions): Promise<object> {
  try {
    return (await jwtVerify(token, keys, rules)).payload
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error
    for await (const key of error) {
      try {
        return (await jwtVerify(token, key, rules)).payload
      } catch (error) {
        // jose looks at the claims after the signature: anything else is the last word.
        if (!(error instanceof errors.JWSSignatureVerificationFailed)) throw error
      }
    }
    throw new errors.JWSSignatureVerificationFailed()
  }
}
