import { MAX_CONTROL_BYTES, type TICKET_PARAMETER } from '@fastify-airlock/protocol'
import { json } from './codec.js'
import { fault } from './errors.js'
import type { Codec, TicketSource, WebSocketConstructor } from './types.js'

/** What the functions of the application are told. */
export interface AttemptContext {
  /** Aborted when the attempt is over. Pass it to `fetch`. */
  signal: AbortSignal
  /** Failed attempts since a connection last opened, from 0; for a `refresh`, failed tries of this refresh. */
  attempt: number
}

/** What `getToken` is told. */
export interface TokenContext extends AttemptContext {
  /**
   * - `connect`: for the `auth` of a new connection; a stored JWT will do while it is valid
   * - `refresh`: the JWT in use expires soon
   * - `rejected`: the server has just refused the last one (4401); returning the same one again ends the connection
   */
  reason: 'connect' | 'refresh' | 'rejected'
}

/** Options of {@link connect}. */
export interface ConnectOptions<In = unknown, Out = unknown> {
  /** `ws:`, `wss:`, `http:` or `https:`; in a browser also relative to the base URL of the page, as for `fetch` and `WebSocket`. It must not contain a JWT. */
  url: string | URL
  /**
   * Opens the first door. It is called before every attempt, since a ticket is good for one. It should return the
   * `Response` of the ticket request, whose status tells "refused" from "unreachable": 401 and 403 end the connection;
   * 408, 421, 425, 429, 5xx and any answer with a `Retry-After` are tried again, after that time, but within an hour. An answer without a ticket counts as
   * unreachable, and so does a thrown error, unless it has a numeric `status`. Leave it out for routes whose first door
   * is a cookie, or that have none: the upgrade then carries no ticket. `getToken` is asked at the same time, and does not
   * wait for a JWT that this fetches.
   *
   * @example getTicket: ({ signal }) => fetch('/ws/ticket', { method: 'POST', signal })
   */
  getTicket?: ((context: AttemptContext) => TicketSource | Promise<TicketSource>) | undefined
  /**
   * Opens the second door: returns the JWT for `auth` and `refresh`. `null` means that there is none. The connection
   * then ends with `WSA_CLIENT_ERR_UNAUTHENTICATED`; during a `refresh`, it ends when the server closes it. Leave it
   * out for routes without the second door: the connection then is open at the 101.
   */
  getToken?: ((context: TokenContext) => string | null | Promise<string | null>) | undefined
  /**
   * Where the ticket travels. `query` puts it into the URL, which servers and proxies log. `cookie` sets a cookie for
   * the path of `url` while the attempt lasts, and needs a page of the same host.
   * @default 'subprotocol'
   */
  carrier?: 'subprotocol' | 'query' | 'cookie' | undefined
  /**
   * Name of the query parameter or cookie.
   * @default 'ticket'
   */
  ticketName?: string | undefined
  /**
   * Subprotocols to offer. The server has to select one of them.
   * @default the `protocol` of the ticket's reply, else 'airlock.v1'
   */
  protocols?: readonly string[] | undefined
  /**
   * JSON for text, `ArrayBuffer` for binary. {@link raw} passes strings through as they are.
   * @default json
   */
  codec?: Codec<In, Out> | undefined
  /** Ends the connection as `close()` does. Its reason becomes the `cause` of later `WSA_CLIENT_ERR_CLOSED`. */
  signal?: AbortSignal | undefined
  /**
   * Whether and how to reconnect. After `attempts` failures in a row, the last error is final. `min` and `max` are
   * milliseconds, at least 1: before attempt n the client waits a random time up to `min` x 2^n, at most `max`. n starts
   * over at 0 when a connection has been open for 30 s.
   * @default { min: 1000, max: 30000, attempts: Infinity }
   */
  reconnect?: false | { min?: number, max?: number, attempts?: number } | undefined
  /**
   * Close codes of the application after which the client does not connect again, as after 4403. The codes of the protocol
   * need not be named.
   * @default []
   */
  finalCodes?: number[] | undefined
  /**
   * Time limit of an attempt, from the ticket request to `auth_ok`, and of a refresh, from `getToken` to the answer.
   * In milliseconds.
   * @default 15000
   */
  timeout?: number | undefined
  /**
   * Whether to ask the server for signs of life and to give up a socket that has been silent for too long. On a route without
   * the second door nobody can be asked: there, give the number of milliseconds that the route's own option `alive` has.
   * @default true
   */
  alive?: boolean | number | undefined
  /**
   * What may wait to be sent while the connection is not open. Beyond that, `send` throws `WSA_CLIENT_ERR_QUEUE_FULL`.
   * `bytes` counts UTF-8. It is sent on `open`, as fast as the server says that it
   * allows. It also takes what is sent faster than that later.
   * @default { messages: 128, bytes: 1048576 }
   */
  queue?: { messages?: number, bytes?: number } | undefined
  /**
   * Messages that may wait for a `for await` that is slower than the server. Beyond that, the iteration throws
   * `WSA_CLIENT_ERR_OVERFLOW`.
   * @default 1024
   */
  iteratorLimit?: number | undefined
  /**
   * Largest control message that carries a JWT, in bytes. A longer JWT is not sent: the server, which has an option of the
   * same name and default, would refuse it.
   * @default 8192
   */
  maxAuthBytes?: number | undefined
  /**
   * Another constructor.
   * @default globalThis.WebSocket; in Node without one, that of `ws` if it is installed
   */
  WebSocket?: WebSocketConstructor | undefined
  /**
   * Source of the jitter: returns a number from 0 up to, but not including, 1.
   * @default Math.random
   */
  random?: (() => number) | undefined
}

/** The options with defaults filled in; those of `reconnect` and `queue` stand among the others. */
export interface ConnectSettings<In = unknown, Out = unknown> extends
  Pick<ConnectOptions<In, Out>, 'alive' | 'carrier' | 'finalCodes' | 'getTicket' | 'getToken' | 'protocols' | 'reconnect' | 'signal'> {
  url: URL
  ticketName: string
  timeout: number
  iteratorLimit: number
  maxAuthBytes: number
  min: number
  max: number
  attempts: number
  messages: number
  bytes: number
  random: () => number
  codec: Codec<In, Out>
  WebSocket: WebSocketConstructor
}

/** The numbers among the defaults of {@link ConnectOptions}. */
export const CONNECT_DEFAULTS = {
  timeout: 15_000,
  iteratorLimit: 1_024,
  maxAuthBytes: MAX_CONTROL_BYTES,
  min: 1_000,
  max: 30_000,
  attempts: Infinity,
  messages: 128,
  bytes: 1_048_576
} as const

// No JWT in it. Its parts have a minimum length, so that "monkeyJar.tar.gz" passes.
const WEBSOCKET_URL = /^wss?:(?!.*eyJ[\w-]{9,}\.[\w-]{9,}\.)/

/**
 * Checks the options and fills in the defaults.
 *
 * @throws {@link AirlockError} `WSA_CLIENT_ERR_OPTIONS` when an option cannot be used
 * @throws {@link AirlockError} `WSA_CLIENT_ERR_NO_WEBSOCKET` when there is no WebSocket
 */
export function readOptions<In, Out> (options: ConnectOptions<In, Out>): ConnectSettings<In, Out> {
  let url: URL | undefined
  try {
    url = new URL(options.url, globalThis.document?.baseURI ?? globalThis.location?.href)
    url.protocol = url.protocol.replace('http', 'ws')
  } catch {
    // Reported below: the platform's own error quotes the URL.
  }
  if (!WEBSOCKET_URL.test(url?.href as string)) throw fault('OPTIONS', 'url')
  // A WebSocket refuses a URL with a fragment.
  url!.hash = ''

  const settings: Record<string, unknown> = { ...options, ...options.reconnect, ...options.queue, url }
  const defaults: Record<string, unknown> = {
    ...CONNECT_DEFAULTS,
    ticketName: 'ticket' satisfies typeof TICKET_PARAMETER,
    alive: true,
    random: Math.random,
    codec: json,
    WebSocket: globalThis.WebSocket
  }
  for (const name in defaults) {
    const value = settings[name] ??= defaults[name]
    // Not `value < 1`, which NaN would pass.
    if (name === 'alive' ? !(value as number >= 0) : name in CONNECT_DEFAULTS && !(value as number >= 1)) throw fault('OPTIONS', name)
  }
  if (!settings.WebSocket) throw fault('NO_WEBSOCKET')
  return settings as unknown as ConnectSettings<In, Out>
}
