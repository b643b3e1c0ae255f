import { callback, milliseconds, nonEmptyString, parseOptions, positiveInteger } from '@fastify-airlock/core'
import { BEARER_PROTOCOL_PREFIX, CLOSE_TIMEOUT_MS, TICKET_PROTOCOL_PREFIX } from '@fastify-airlock/protocol'
import { validateHeaderName } from 'node:http'
import { createSecureContext, type SecureContext } from 'node:tls'
import * as v from 'valibot'
import { WSA_PROXY_ERR_OPTION } from './errors.js'
import { checkHeaders, isHopHeader } from './headers.js'
import type { ProxyOptions, ProxyPluginOptions, UpstreamTls } from './types.js'

const KIB = 1024

const upstream = v.pipe(
  v.custom<string | URL>(value => (typeof value === 'string' || value instanceof URL) && URL.canParse(String(value)), 'Expected a URL'),
  v.transform(value => new URL(value)),
  v.check(({ protocol, hash }) => (protocol === 'ws:' || protocol === 'wss:') && hash === '', 'Expected ws:// or wss://, without a fragment')
)

const headerName = v.pipe(
  nonEmptyString,
  v.toLowerCase(),
  v.check(isHeaderName, 'Expected the name of a header'),
  v.check(name => !isHopHeader(name), 'It belongs to one connection only and is never forwarded')
)

const protocol = v.pipe(
  nonEmptyString,
  v.regex(/^[!#$%&'*+.^`|~\w-]+$/, 'Expected a subprotocol'),
  v.check(name => !name.startsWith(TICKET_PROTOCOL_PREFIX) && !name.startsWith(BEARER_PROTOCOL_PREFIX), 'It carries a credential')
)

const pem = v.union([nonEmptyString, v.instance(Buffer)])

const schema = v.pipe(
  v.strictObject({
    upstream,
    headers: v.optional(v.union([
      callback<Extract<ProxyOptions['headers'], (...args: never[]) => unknown>>(),
      v.record(v.string(), v.unknown())
    ]), {}),
    forwardHeaders: v.optional(v.array(headerName), []),
    responseHeaders: v.optional(v.array(headerName), []),
    query: v.optional(v.array(nonEmptyString), []),
    xForwarded: v.optional(v.boolean(), false),
    changeOrigin: v.optional(v.boolean(), true),
    protocols: v.optional(v.array(protocol), []),
    tls: v.optional(v.strictObject({
      ca: v.optional(v.union([pem, v.array(pem)])),
      cert: v.optional(pem),
      key: v.optional(pem),
      passphrase: v.optional(nonEmptyString),
      servername: v.optional(nonEmptyString),
      rejectUnauthorized: v.optional(v.boolean())
    })),
    dial: v.optional(v.picklist(['upgrade', 'authenticated']), 'upgrade'),
    dialTimeout: v.optional(milliseconds, 5_000),
    maxPayload: v.optional(positiveInteger, 512 * KIB),
    highWaterMark: v.optional(positiveInteger, 1024 * KIB),
    lowWaterMark: v.optional(positiveInteger),
    drainTimeout: v.optional(milliseconds, 60_000),
    idleTimeout: v.optional(milliseconds),
    closeTimeout: v.optional(milliseconds, CLOSE_TIMEOUT_MS),
    pings: v.optional(v.picklist(['answer', 'forward']), 'answer')
  }),
  v.transform(options => ({ ...options, lowWaterMark: options.lowWaterMark ?? Math.floor(options.highWaterMark / 4) })),
  v.forward(v.check(({ lowWaterMark, highWaterMark }) => lowWaterMark < highWaterMark, 'Expected less than highWaterMark'), ['lowWaterMark']),
  v.forward(v.check(({ tls, upstream }) => tls === undefined || upstream.protocol === 'wss:', 'The upstream is not wss://'), ['tls']),
  v.forward(v.check(({ responseHeaders, dial }) => responseHeaders.length === 0 || dial === 'upgrade', 'The 101 is sent before the upstream is dialled'), ['responseHeaders'])
)

/** Settings of one proxy: its options, checked and with their defaults. */
export type Settings = Omit<v.InferOutput<typeof schema>, 'headers'> & {
  headers: Record<string, string> | Extract<ProxyOptions['headers'], (...args: never[]) => unknown>
}

/**
 * Checks the options of one proxy.
 *
 * @throws WSA_PROXY_ERR_OPTION
 */
export function parseProxy (options: ProxyPluginOptions): Settings {
  const { headers, ...settings } = parseOptions(schema, options, WSA_PROXY_ERR_OPTION)
  return { ...settings, headers: typeof headers === 'function' ? headers : named('headers', () => checkHeaders(headers)) }
}

/** What `ws` is told for TLS. The certificates are read once, not for each connection. */
export interface TlsOptions {
  rejectUnauthorized: boolean
  secureContext?: SecureContext
  servername?: string
}

/**
 * Prepares TLS.
 *
 * @throws WSA_PROXY_ERR_OPTION where certificate or key cannot be read
 */
export function prepareTls ({ rejectUnauthorized = true, servername, ...material }: v.InferOutput<typeof schema>['tls'] & {} = {}): TlsOptions {
  return {
    rejectUnauthorized,
    secureContext: named('tls', () => createSecureContext(material as UpstreamTls)),
    ...(servername !== undefined && { servername })
  }
}

function isHeaderName (name: string): boolean {
  try {
    validateHeaderName(name)
    return true
  } catch {
    return false
  }
}

function named<T> (option: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw new WSA_PROXY_ERR_OPTION(`${option}: ${(error as Error).message}`)
  }
}
