import {
  callback, milliseconds, nonEmptyString, optionsObject, parseOptions, positiveInteger
} from '@fastify-airlock/core'
import { BEARER_PROTOCOL_PREFIX, CLOSE_TIMEOUT_MS, FLUSH_TIMEOUT_MS, TICKET_PROTOCOL_PREFIX } from '@fastify-airlock/protocol'
import type { FastifyRequest } from 'fastify'
import { validateHeaderName } from 'node:http'
import * as v from 'valibot'
import { WSA_PROXY_ERR_OPTION } from './errors.js'
import { checkHeaders, isHopHeader } from './headers.js'

/** Headers by name; the case of the name does not matter. */
export type UpstreamHeaders = Record<string, string | undefined>

/** TLS towards a `wss://` upstream. What is left out is Node's default. */
export interface UpstreamTls {
  /**
   * Certificates, in PEM, of the authorities that may have signed the upstream's certificate.
   * @default those that Node trusts
   */
  ca?: string | Buffer | Array<string | Buffer>
  /** The client certificate and its chain, in PEM. */
  cert?: string | Buffer
  /** The private key of `cert`, in PEM. */
  key?: string | Buffer
  /** The passphrase of `key`. */
  passphrase?: string
  /**
   * The name that is asked for (SNI) and that the certificate must have.
   * @default the host of `upstream`
   */
  servername?: string
  /**
   * Whether the upstream's certificate is checked. Without the check, anybody on the way can read the secret headers.
   * @default true
   */
  rejectUnauthorized?: boolean
}

/** Options of one proxy. */
export interface ProxyOptions {
  /** The `ws://` or `wss://` URL to connect to; it may have a path and a query. */
  upstream: string | URL
  /**
   * Headers that are added, or a function that makes them for each connection and may use `request.wsIdentity`. They win
   * over forwarded headers. Anything but a plain object refuses with 500, and an answer later than `dialTimeout` with 504. A header without a value is an error, so that a missing environment variable is noticed at
   * the start. An error that the function throws is answered with its own `statusCode`.
   * @default {}
   */
  headers?: UpstreamHeaders | ((request: FastifyRequest) => UpstreamHeaders | Promise<UpstreamHeaders>)
  /**
   * Names of the client's headers that are passed on. `cookie` passes all cookies on.
   * @default []
   */
  forwardHeaders?: string[]
  /**
   * Names of the upstream's response headers that the client's 101 repeats. Not with `dial: 'authenticated'`.
   * @default []
   */
  responseHeaders?: string[]
  /**
   * Names of the client's query parameters that are appended to the upstream's URL.
   * @default []
   */
  query?: string[]
  /**
   * Whether `X-Forwarded-For`, `-Host` and `-Proto` describe the client, as Fastify's `trustProxy` sees it.
   * @default false
   */
  xForwarded?: boolean
  /**
   * Whether `Host` is the upstream's own name; `false` passes the client's `Host` on.
   * @default true
   */
  changeOrigin?: boolean
  /**
   * Subprotocols that client and upstream may agree on. Those that the client offers are offered to the upstream, in the
   * client's order, and the 101 names the one that the upstream selects. All others stay between client and server.
   * @default []
   */
  protocols?: string[]
  /** TLS towards a `wss://` upstream. */
  tls?: UpstreamTls
  /**
   * When the upstream is dialled: by the hook before the 101 (`'upgrade'`), or by the handler (`'authenticated'`).
   * @default 'upgrade'
   */
  dial?: 'upgrade' | 'authenticated'
  /**
   * Time for `headers()` and for the upstream to accept, in milliseconds.
   * @default 5000
   */
  dialTimeout?: number
  /**
   * Largest message of the upstream, in bytes; a longer one closes the connection. The server's own `maxPayload` limits
   * the messages of the client.
   * @default 524288
   */
  maxPayload?: number
  /**
   * Bytes that may wait for one side before the other side is no longer read.
   * @default 1048576
   */
  highWaterMark?: number
  /**
   * Number of waiting bytes at which the other side is read again. Less than `highWaterMark`.
   * @default a quarter of highWaterMark
   */
  lowWaterMark?: number
  /**
   * Time in which a side has to get from `highWaterMark` down to `lowWaterMark`, in milliseconds, or else it is cut off.
   * @default 60000
   */
  drainTimeout?: number
  /**
   * Time without a message either way after which both sides are closed with 1001, in milliseconds.
   * @default none
   */
  idleTimeout?: number
  /**
   * Time that a side has to answer a close frame before it is cut off, in milliseconds: from the close where nothing is on
   * its way to it, else from when everything should have arrived.
   * @default 2000
   */
  closeTimeout?: number
  /**
   * Time in which what waits for a side when the other closes, and the close frame, have to go out, in milliseconds.
   * @default 120000
   */
  flushTimeout?: number
  /**
   * Who answers the upstream's pings: the proxy (`'answer'`), or the client, to which they are passed on (`'forward'`).
   * @default 'answer'
   */
  pings?: 'answer' | 'forward'
}

/** Options at registration: the defaults of every proxy. */
export type ProxyPluginOptions = Partial<ProxyOptions>

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
  v.check(name => !isHopHeader(name), 'This header belongs to one connection and is never forwarded')
)

const protocol = v.pipe(
  nonEmptyString,
  v.regex(/^[!#$%&'*+.^`|~\w-]+$/, 'Expected a subprotocol'),
  v.check(name => !name.startsWith(TICKET_PROTOCOL_PREFIX) && !name.startsWith(BEARER_PROTOCOL_PREFIX), 'This subprotocol carries a credential')
)

/** By name, since types for Node before 22 have no parameter for a buffer, and would not compile the inferred type. */
interface Bytes extends Buffer {}

const pem = v.union([nonEmptyString, v.custom<Bytes>(value => Buffer.isBuffer(value))])

const schema = v.pipe(
  optionsObject({
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
    tls: v.optional(optionsObject({
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
    flushTimeout: v.optional(milliseconds, FLUSH_TIMEOUT_MS),
    pings: v.optional(v.picklist(['answer', 'forward']), 'answer')
  }),
  v.transform(options => ({ ...options, lowWaterMark: options.lowWaterMark ?? Math.floor(options.highWaterMark / 4) })),
  v.forward(v.check(({ lowWaterMark, highWaterMark }) => lowWaterMark < highWaterMark, 'Expected less than highWaterMark'), ['lowWaterMark']),
  v.forward(v.check(({ tls, upstream }) => tls === undefined || upstream.protocol === 'wss:', 'The upstream is not wss://'), ['tls']),
  v.forward(v.check(({ responseHeaders, dial }) => responseHeaders.length === 0 || dial === 'upgrade', 'The 101 is sent before the upstream is dialled'), ['responseHeaders'])
)

/** {@link ProxyOptions} with the defaults filled in. */
export type ProxySettings = Omit<v.InferOutput<typeof schema>, 'headers'> & {
  headers: Record<string, string> | Extract<ProxyOptions['headers'], (...args: never[]) => unknown>
}

/**
 * Checks the options of one proxy.
 *
 * @throws {@link WSA_PROXY_ERR_OPTION} when an option is wrong
 */
export function parseProxyOptions (options: ProxyPluginOptions): ProxySettings {
  const { headers, ...settings } = parseOptions(schema, options, WSA_PROXY_ERR_OPTION)
  return { ...settings, headers: typeof headers === 'function' ? headers : readOption('headers', () => checkHeaders(headers)) }
}

function isHeaderName (name: string): boolean {
  try {
    validateHeaderName(name)
    return true
  } catch {
    return false
  }
}

/** Runs `read`; an error names the option. */
export function readOption<T> (option: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw new WSA_PROXY_ERR_OPTION(`${option}: ${(error as Error).message}`)
  }
}
