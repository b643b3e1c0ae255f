import type { FastifyInstance } from 'fastify'
import type http from 'node:http'
import type https from 'node:https'
import * as v from 'valibot'
import { WSA_CORE_ERR_OPTION } from './errors.js'
import { serverOptionsOf } from './internals.js'
import { milliseconds, millisecondsOrZero, optionsObject, parseOptions, positiveInteger } from './options.js'
import { endRequests } from './request-end.js'

/** Limits of the HTTP server, which Fastify and Node leave open or set high. */
export interface ServerLimits {
  /**
   * Time for a request to arrive, its body included, in milliseconds; a slower one gets 408. Fastify sets none, so a body
   * of a byte a second holds a connection without end. 0 for no limit.
   * @default 30000
   */
  requestTimeout?: number
  /**
   * Time for the head of a request to arrive, in milliseconds; a slower one gets 408. Also for the first byte of a
   * connection. 0 for no limit.
   * @default 15000
   */
  headersTimeout?: number
  /**
   * Time without a byte in either direction after which a connection is closed, in milliseconds. Not for WebSockets. 0 for
   * no limit.
   * @default 60000
   */
  connectionTimeout?: number
  /**
   * Time in which the next request may come on a connection, in milliseconds. Longer than proxies keep a connection, or they
   * send a request into one that is being closed.
   * @default 72000
   */
  keepAliveTimeout?: number
}

/** Limits that a server can be given after it was made. */
export interface RunningServerLimits extends ServerLimits {
  /**
   * Connections of all clients, WebSockets included; Node closes one more at once, without an answer. More than the hub's
   * `maxConnections` and `pendingTotal` together, so that a full node can still say so.
   * @default 50000
   */
  maxConnections?: number
  /**
   * Time from `app.close()` on after which requests that are still under way are cut, in milliseconds: Node looks at no other
   * limit by then. An answer that is written and read within it is complete. Not for WebSockets. 0 for no limit.
   * @default 9000
   */
  shutdownTimeout?: number
}

/** Options of {@link serverOptions}. */
export interface ServerOptionsInput extends ServerLimits {
  /**
   * Time for a TLS handshake, in milliseconds.
   * @default 10000
   */
  handshakeTimeout?: number
  /**
   * How often Node looks for connections whose `headersTimeout` or `requestTimeout` is over, in milliseconds: they end so
   * much late.
   * @default 5000
   */
  connectionsCheckingInterval?: number
  /** Options for `http.createServer`, which win. */
  http?: http.ServerOptions
  /** Options for `https.createServer`, such as `key` and `cert`, which win. */
  https?: https.ServerOptions
}

/** Options of Fastify's constructor that {@link serverOptions} makes for a server without TLS. */
export interface HttpServerOptions extends Required<Pick<ServerLimits, 'requestTimeout' | 'connectionTimeout' | 'keepAliveTimeout'>> {
  http: http.ServerOptions
}

/** Options of Fastify's constructor that {@link serverOptions} makes for a server with TLS. */
export interface HttpsServerOptions extends Required<Pick<ServerLimits, 'requestTimeout' | 'connectionTimeout' | 'keepAliveTimeout'>> {
  https: https.ServerOptions
}

const REQUEST_MS = 30_000
const HEADERS_MS = 15_000
const CONNECTION_MS = 60_000
const KEEP_ALIVE_MS = 72_000
const MAX_CONNECTIONS = 50_000
/** After `websocketOptions()` has terminated the last WebSocket, and before Docker kills the process. */
const SHUTDOWN_MS = 9_000

const times = {
  requestTimeout: v.optional(millisecondsOrZero),
  headersTimeout: v.optional(millisecondsOrZero),
  connectionTimeout: v.optional(millisecondsOrZero),
  keepAliveTimeout: v.optional(millisecondsOrZero)
}

/** The schema of {@link RunningServerLimits}. */
export const runningServerLimits = optionsObject({ ...times, maxConnections: v.optional(positiveInteger), shutdownTimeout: v.optional(millisecondsOrZero) })

// What is for Node alone is checked by Node.
const forNode = v.optional(v.custom<object>(value => typeof value === 'object' && value !== null, 'Expected an object'))

const serverOptionsInput = optionsObject({
  ...times,
  handshakeTimeout: v.optional(milliseconds),
  connectionsCheckingInterval: v.optional(milliseconds),
  http: forNode,
  https: forNode
})

/** Node's own `headersTimeout`: none where the server was made with a `requestTimeout` of 0. */
const NODE_HEADERS_MS = [60_000, 0]

/**
 * Options for Fastify's constructor that bound how long a silent or slow client may hold a connection, before it is known
 * who it is: `requestTimeout`, `headersTimeout`, `connectionTimeout`, `keepAliveTimeout` and, with `https`,
 * `handshakeTimeout`. WebSockets that are open are under none of them.
 *
 * @throws {@link WSA_CORE_ERR_OPTION} when an option is wrong or unknown
 *
 * @example
 * const app = Fastify({ logger: true, ...serverOptions() })
 * @example
 * const app = Fastify({ logger: true, ...serverOptions({ https: { key, cert } }) })
 */
export function serverOptions (input: ServerOptionsInput & { https: https.ServerOptions }): HttpsServerOptions
export function serverOptions (input?: ServerOptionsInput & { https?: undefined }): HttpServerOptions
export function serverOptions (input: ServerOptionsInput = {}): HttpServerOptions | HttpsServerOptions {
  parseOptions(serverOptionsInput, input, WSA_CORE_ERR_OPTION)
  const {
    requestTimeout = REQUEST_MS, headersTimeout = headersWithin(requestTimeout), connectionTimeout = CONNECTION_MS, keepAliveTimeout = KEEP_ALIVE_MS,
    handshakeTimeout = 10_000, connectionsCheckingInterval = 5_000, http, https
  } = input
  // Node compares the two when the server is made, before Fastify has set its own.
  const checked = { requestTimeout, headersTimeout, connectionsCheckingInterval }
  const limits = { requestTimeout, connectionTimeout, keepAliveTimeout }
  return https === undefined
    ? { ...limits, http: { ...checked, ...http } }
    : { ...limits, https: { ...checked, handshakeTimeout, ...https } }
}

/**
 * Sets the limits of a server that its application has left at the defaults of Fastify and Node: `requestTimeout`,
 * `headersTimeout`, `connectionTimeout` and `maxConnections`. A limit that is given here is set in any case. And it bounds how
 * long requests may hold `app.close()` (`shutdownTimeout`), so call it before the server starts.
 *
 * `handshakeTimeout` of TLS can be set by {@link serverOptions} alone, and the second server that Fastify makes for `::1`
 * where it listens on `localhost` has the limits of the constructor alone.
 *
 * @throws {@link WSA_CORE_ERR_OPTION} when a limit is wrong or unknown; nothing is set then
 * @throws FST_ERR_INSTANCE_ALREADY_LISTENING when the server has started, and this was not called before; nothing is set then
 *
 * @example
 * limitServer(app, { maxConnections: 20_000 })
 */
export function limitServer (fastify: FastifyInstance, given: RunningServerLimits = {}): void {
  parseOptions(runningServerLimits, given, WSA_CORE_ERR_OPTION)
  endRequests(fastify, given.shutdownTimeout ?? SHUTDOWN_MS)
  // A server of HTTP/2 has some of them.
  const server = fastify.server as Partial<http.Server>
  const options = serverOptionsOf(fastify) as { http?: http.ServerOptions | null, https?: https.ServerOptions | null } | undefined
  const { requestTimeout, connectionTimeout, keepAliveTimeout, maxConnections } = given
  if (server.requestTimeout !== undefined && (requestTimeout !== undefined || server.requestTimeout === 0)) {
    server.requestTimeout = requestTimeout ?? REQUEST_MS
  }
  if (server.headersTimeout !== undefined) {
    const own = options?.http?.headersTimeout ?? options?.https?.headersTimeout
    if (given.headersTimeout !== undefined || (own === undefined && NODE_HEADERS_MS.includes(server.headersTimeout))) {
      server.headersTimeout = given.headersTimeout ?? headersWithin(server.requestTimeout as number)
    }
  }
  if (connectionTimeout !== undefined || server.timeout === 0) server.setTimeout?.(connectionTimeout ?? CONNECTION_MS)
  if (keepAliveTimeout !== undefined) server.keepAliveTimeout = keepAliveTimeout
  // Documented, and of every server of node:net; its types say nothing of "not set".
  if (maxConnections !== undefined || (server.maxConnections ?? null) === null) server.maxConnections = maxConnections ?? MAX_CONNECTIONS
}

/** Node refuses a time for the head that is longer than that for the whole. */
function headersWithin (requestTimeout: number): number {
  return requestTimeout > 0 ? Math.min(HEADERS_MS, requestTimeout) : HEADERS_MS
}
