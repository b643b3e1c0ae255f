import type { ProtocolUser } from '@fastify-airlock/protocol'
import type { AirlockError } from './errors.js'

/**
 * Where a connection stands.
 * - `ticket`: asking for a ticket and a JWT
 * - `connecting`: the upgrade is under way
 * - `authenticating`: 101 came, `auth` was sent
 * - `open`: `auth_ok` came; messages flow
 * - `waiting`: lost or refused for now; the next attempt has a time, or waits for the network
 * - `closed`: over, by the application or because another attempt would fail in the same way
 */
export type Status = 'ticket' | 'connecting' | 'authenticating' | 'open' | 'waiting' | 'closed'

/** What goes over the wire. */
export type WireData = string | ArrayBuffer | ArrayBufferView<ArrayBuffer> | Blob

/** How messages become wire data and back. */
export interface Codec<In, Out> {
  encode (message: Out): WireData
  /** @param data a string, or an `ArrayBuffer` for a binary message */
  decode (data: string | ArrayBuffer): In
}

/** What a ticket request gave: the ticket alone, the route's reply, or the HTTP response as it is. */
export type TicketSource = string | { ticket: string, protocol?: string } | Response

/** What the functions of the application are told. */
export interface AttemptContext {
  /** Aborted when the attempt is over: hand it to `fetch`. */
  signal: AbortSignal
  /** Attempts since the last success, from 0 upward; for a `refresh`, failed ones of this refresh. */
  attempt: number
}

/** What `getToken` is told. */
export interface TokenContext extends AttemptContext {
  /**
   * - `connect`: for the `auth` of a new connection; a JWT at hand will do while it is valid
   * - `refresh`: the one in use expires soon
   * - `rejected`: the server has just refused the last one (4401); the same one again ends the connection
   */
  reason: 'connect' | 'refresh' | 'rejected'
}

/** The constructor of a WebSocket: the browser's, Node 22's, undici's or that of `ws`. */
export type WebSocketConstructor = new (url: string, protocols?: string[]) => WebSocketLike

/** The part of a WebSocket that the client uses. */
export interface WebSocketLike {
  binaryType: string
  readonly bufferedAmount: number
  readonly protocol: string
  readonly readyState: number
  onopen: ((event: any) => void) | null
  onmessage: ((event: any) => void) | null
  onerror: ((event: any) => void) | null
  onclose: ((event: any) => void) | null
  send (data: any): void
  close (code?: number, reason?: string): void
}

/** Settings of {@link connect}. */
export interface ConnectOptions<In = unknown, Out = unknown> {
  /** `ws:`, `wss:`, `http:` or `https:`; in a browser also relative to the page. It must not carry a JWT. */
  url: string | URL
  /**
   * Opens the first door: called before every attempt, since a ticket is good for one. Best returns the `Response` of
   * the ticket request, whose status tells "refused" from "unreachable": 401 and 403 end the connection, 429 and 5xx
   * are tried again after their `Retry-After`, but within an hour. Whatever it throws counts as unreachable, unless it
   * has a numeric `status`; so does an answer without a ticket. Left out, the upgrade carries no ticket: for routes whose first door is a cookie, or that have none.
   *
   * @example getTicket: ({ signal }) => fetch('/ws/ticket', { method: 'POST', signal })
   */
  getTicket?: ((context: AttemptContext) => TicketSource | Promise<TicketSource>) | undefined
  /**
   * Opens the second door: the JWT for `auth` and `refresh`. `null` means that there is none to be had: the connection
   * ends with `WSA_CLIENT_ERR_UNAUTHENTICATED`; for a `refresh`, when the server closes it. Left out, the connection is ready at the 101: for routes without the
   * second door.
   */
  getToken?: ((context: TokenContext) => string | null | Promise<string | null>) | undefined
  /**
   * What the ticket travels in. `query` puts it into the URL, which servers and proxies log. `cookie` sets it for the
   * path of `url` and for the time of the attempt, and needs a page of the same host.
   * @default 'subprotocol'
   */
  carrier?: 'subprotocol' | 'query' | 'cookie' | undefined
  /**
   * Name of the query parameter or cookie.
   * @default 'ticket'
   */
  ticketName?: string | undefined
  /**
   * Subprotocols to offer. One of them has to be selected.
   * @default the `protocol` of the ticket's reply, else 'airlock.v1'
   */
  protocols?: readonly string[] | undefined
  /**
   * JSON for text, `ArrayBuffer` for binary. {@link raw} hands strings over as they are.
   * @default json
   */
  codec?: Codec<In, Out> | undefined
  /** Ends the connection as `close()` does. Its reason is the `cause` of the `WSA_CLIENT_ERR_CLOSED` that follow. */
  signal?: AbortSignal | undefined
  /**
   * Whether and how to come back. `attempts` in a row without success end the connection with the last error.
   * `min` and `max` in milliseconds, at least 1: before attempt n wait a random time up to `min` x 2^n, but no more than
   * `max`. n begins again at 0 when a connection has been open for 30 s.
   * @default { min: 1000, max: 30000, attempts: Infinity }
   */
  reconnect?: false | { min?: number, max?: number, attempts?: number } | undefined
  /**
   * Time for an attempt from the ticket request to `auth_ok`, and for a refresh from `getToken` to its answer, in
   * milliseconds.
   * @default 15000
   */
  timeout?: number | undefined
  /**
   * What may wait to be sent while the connection is not open. One more makes `send` throw `WSA_CLIENT_ERR_QUEUE_FULL`.
   * `bytes` counts UTF-8. All of it is sent at once on `open`, so keep `messages` below what the server allows.
   * @default { messages: 128, bytes: 1048576 }
   */
  queue?: { messages?: number, bytes?: number } | undefined
  /**
   * Messages that wait for a `for await` that is slower than the server; one more makes the iteration throw
   * `WSA_CLIENT_ERR_OVERFLOW`.
   * @default 1024
   */
  iteratorLimit?: number | undefined
  /**
   * For Node before 22 and for tests.
   * @default globalThis.WebSocket
   */
  WebSocket?: WebSocketConstructor | undefined
  /**
   * Jitter: from 0 up to, but not, 1.
   * @default Math.random
   */
  random?: (() => number) | undefined
}

/** How long the parts of a successful attempt took, in milliseconds. */
export interface Timings {
  /** The ticket and the JWT, asked for together. */
  ticket: number
  /** From the upgrade request to the 101. */
  upgrade: number
  /** From `auth` to `auth_ok`; 0 without the second door. */
  auth: number
}

/** How a socket ended. */
export interface CloseInfo {
  /** The close code; 1006 where there was none. */
  code: number
  reason: string
  /** Whether the client comes back by itself. */
  willReconnect: boolean
}

/** The events and what their listeners get. */
export interface Events<In> {
  /** The status has changed. */
  status: Status
  /** Through both doors, on the first connection and on every later one. */
  open: { user: ProtocolUser | null, expiresAt: number | null, timings: Timings }
  message: In
  /** The JWT expires soon; `getToken` is asked for another by itself. Milliseconds since the epoch. */
  expiring: { expiresAt: number }
  /** A new JWT is in force. */
  refreshed: { expiresAt: number }
  /** A socket, or an attempt to have one, has ended. */
  close: CloseInfo
  /** The next attempt comes in `delay` milliseconds; `null` where it waits for the network to be back. */
  waiting: { delay: number | null, attempt: number, error: AirlockError | null }
  /** Something went wrong. After one that is `final` the status is `closed`. */
  error: AirlockError
}

/** A connection, and all the sockets that it takes to keep it. */
export interface Connection<In = unknown, Out = unknown> extends AsyncIterable<In> {
  readonly status: Status
  /** Who the server took us for: the `user` of the last `auth_ok`. */
  readonly user: ProtocolUser | null
  /** When the JWT in force expires, in milliseconds since the epoch. */
  readonly expiresAt: number | null
  /** The subprotocol of the socket, empty without one. */
  readonly protocol: string
  /** What ended the connection; `null` while it lives and after `close()`. */
  readonly error: AirlockError | null
  /** Bytes that wait: in the queue, and in the socket. */
  readonly bufferedAmount: number
  /** Resolves when the connection is over, whatever ended it, and after the last event. Never rejects. */
  readonly closed: Promise<CloseInfo>
  /** Resolves when it is `open`, now or next; rejects with the error once it is over. */
  ready (): Promise<void>
  /**
   * Sends, or queues until the connection is open. What was handed to a socket that then broke is not repeated. A
   * socket takes any amount: look at `bufferedAmount` before sending much. A buffer must not change while it waits.
   *
   * @returns whether it was handed to the socket at once
   * @throws WSA_CLIENT_ERR_CLOSED, WSA_CLIENT_ERR_QUEUE_FULL
   */
  send (message: Out): boolean
  /**
   * Puts a new JWT of `getToken` in force. Resolves with the answer; rejects when there is no JWT, when the socket ends
   * before, and where the status is not `open`. One that is under way already is shared.
   */
  refresh (): Promise<void>
  /** Ends a wait at once, whatever the server asked for. Does nothing in any other status. */
  retryNow (): void
  /** Listens; what the listener throws is reported as an uncaught error. @returns a function that ends it */
  on<Name extends keyof Events<In>> (name: Name, listener: (event: Events<In>[Name]) => void): () => void
  /**
   * Ends the connection; what waits in the queue is dropped.
   *
   * @param code 1000, or 3000 to 4999
   * @param reason at most 123 bytes of UTF-8
   * @throws WSA_CLIENT_ERR_OPTIONS for any other
   * @default code 1000
   */
  close (code?: number, reason?: string): void
}
