import { callback, milliseconds, nonEmptyString, parseOptions, positiveInteger } from '@fastify-airlock/core'
import * as v from 'valibot'
import { WSA_INTROSPECT_ERR_OPTION } from './errors.js'
import type { AuthorityOptions, CarrierOptions, Lookup } from './plugin-options.js'

const name = v.union([nonEmptyString, v.literal(false)])
const names = v.union([nonEmptyString, v.pipe(v.array(nonEmptyString), v.nonEmpty())])
const duration = v.pipe(v.number(), v.safeInteger(), v.minValue(0))

const carriers = {
  header: v.optional(v.boolean(), true),
  subprotocol: v.optional(v.boolean(), true),
  cookie: v.optional(name, false),
  query: v.optional(name, false)
}

const circuitBreaker = v.strictObject({
  errorThresholdPercentage: v.optional(v.pipe(v.number(), v.minValue(1), v.maxValue(100)), 50),
  volumeThreshold: v.optional(positiveInteger, 10),
  resetTimeout: v.optional(milliseconds, 5_000)
})

const common = {
  ...carriers,
  timeout: v.optional(milliseconds, 1_000),
  concurrency: v.optional(positiveInteger, 16),
  maxPending: v.optional(positiveInteger, 1_024),
  cacheTtl: v.optional(duration, 30_000),
  negativeCacheTtl: v.optional(duration, 5_000),
  cacheSize: v.optional(positiveInteger, 10_000),
  circuitBreaker: v.optional(v.union([
    v.pipe(v.literal(false), v.transform(() => null)),
    v.pipe(v.literal(true), v.transform(() => v.parse(circuitBreaker, {}))),
    circuitBreaker
  ]), false),
  recheckInterval: v.optional(milliseconds, 300_000),
  maxStale: v.optional(milliseconds, 900_000)
}

const withLookup = v.strictObject({ ...common, lookup: callback<Lookup>() })

const pem = v.union([nonEmptyString, v.instance(Uint8Array)])

const withAuthority = v.pipe(
  v.strictObject({
    ...common,
    endpoint: v.pipe(
      v.union([nonEmptyString, v.instance(URL)]),
      v.transform(String),
      v.url('Expected a URL'),
      v.transform(url => new URL(url)),
      v.check(({ protocol }) => protocol === 'https:' || protocol === 'http:', 'Expected an https URL'),
      v.check(({ username, password }) => username === '' && password === '', 'Credentials belong into options of their own')
    ),
    clientId: v.optional(nonEmptyString),
    clientSecret: v.optional(nonEmptyString),
    bearerToken: v.optional(v.pipe(v.string(), v.regex(/^[\x21-\x7e]+$/, 'Expected printable characters'))),
    tokenTypeHint: v.optional(name, 'access_token'),
    subjectClaim: v.optional(nonEmptyString, 'sub'),
    audience: v.optional(names),
    issuer: v.optional(names),
    clockTolerance: v.optional(duration, 5_000),
    claims: v.optional(callback<NonNullable<AuthorityOptions['claims']>>(), () => (answer: Record<string, unknown>) => answer),
    maxAnswerBytes: v.optional(positiveInteger, 64 * 1024),
    allowHttp: v.optional(v.boolean(), false),
    tls: v.optional(v.strictObject({
      ca: v.optional(v.union([pem, v.array(pem)])),
      cert: v.optional(pem),
      key: v.optional(pem),
      servername: v.optional(nonEmptyString)
    }))
  }),
  v.forward(v.check(
    ({ endpoint, allowHttp }) => endpoint.protocol === 'https:' || allowHttp || isLoopback(endpoint.hostname),
    'Expected an https URL; allowHttp lets anybody on the way read tokens and secret'
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
  // RFC 7662, section 2.1: the endpoint must not answer just anybody.
  v.forward(v.check(
    ({ clientId, bearerToken, tls }) => [clientId, bearerToken, tls?.cert].some(credential => credential !== undefined),
    'Expected clientId and clientSecret, bearerToken, or tls.cert and tls.key'
  ), ['clientId'])
)

const carrierOptions = v.strictObject(carriers)

/** The carriers, with every default filled in. */
export interface ParsedCarriers extends Required<CarrierOptions> {}

/**
 * Checks the plugin's options and fills the defaults in.
 *
 * @throws `WSA_INTROSPECT_ERR_OPTION`
 */
export function parseIntrospect (options: object) {
  const parsed = 'lookup' in options
    ? parseOptions(withLookup, options, WSA_INTROSPECT_ERR_OPTION)
    : parseOptions(withAuthority, options, WSA_INTROSPECT_ERR_OPTION)
  requireCarrier(parsed)
  return parsed
}

/**
 * Checks the carriers of one authenticator.
 *
 * @throws `WSA_INTROSPECT_ERR_OPTION`
 */
export function parseCarriers (options: CarrierOptions): ParsedCarriers {
  const parsed = parseOptions(carrierOptions, options, WSA_INTROSPECT_ERR_OPTION)
  requireCarrier(parsed)
  return parsed
}

function requireCarrier ({ header, subprotocol, cookie, query }: ParsedCarriers): void {
  if (!header && !subprotocol && cookie === false && query === false) {
    throw new WSA_INTROSPECT_ERR_OPTION('header, subprotocol, cookie or query: a token has to come from somewhere')
  }
}

function isLoopback (hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d+){3}$/.test(hostname)
}
