import type { ProtocolUser } from '@fastify-airlock/protocol'
import type { AirlockError } from './errors.js'

/**
 * The state of a connection.
 * - `ticket`: the client asks for a ticket and a JWT
 * - `connecting`: the upgrade is under way
 * - `authenticating`: the 101 came, and `auth` was sent
 * - `open`: `auth_ok` came; messages flow
 * - `waiting`: lost or refused for now; the next attempt has a time
 * - `closed`: over, because the application closed it or because another attempt would fail in the same way
 */
export type Status = 'ticket' | 'connecting' | 'authenticating' | 'open' | 'waiting' | 'closed'

/** What a WebSocket can send. Written so that TypeScript before 5.7 knows it too, whose `ArrayBufferView` has no parameter. */
export type WireData = string | ArrayBuffer | (ArrayBufferView & { readonly buffer: ArrayBuffer }) | Blob

/** Turns messages into wire data and back. */
export interface Codec<In, Out> {
  encode (message: Out): WireData
  /** @param data a string, or an `ArrayBuffer` for a binary message */
  decode (data: string | ArrayBuffer): In
}

/** What `getTicket` returns: the ticket alone, the reply of the ticket route, or the HTTP response as it is. */
export type TicketSource = string | { ticket: string, protocol?: string } | Response

/** The constructor of a WebSocket: from the browser, Node 22, undici or `ws`. */
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

/** How long the parts of a successful attempt took, in milliseconds. */
export interface Timings {
  /** The requests for the ticket and the JWT, which run at the same time. */
  ticket: number
  /** From the upgrade request to the 101. */
  upgrade: number
  /** From `auth` to `auth_ok`; 0 without the second door. */
  auth: number
}

/** How a socket ended. */
export interface CloseInfo {
  /** The close code; 1006 if there was none. */
  code: number
  reason: string
  /** Whether the client reconnects by itself. */
  willReconnect: boolean
}

/** The events, and what their listeners receive. */
export interface Events<In> {
  /** The status has changed. */
  status: Status
  /** The connection has passed both doors, for the first time or again. */
  open: { user: ProtocolUser | null, expiresAt: number | null, timings: Timings }
  message: In
  /** The JWT expires soon. The client asks `getToken` for another one by itself. Milliseconds since the epoch. */
  expiring: { expiresAt: number }
  /** The server has accepted a new JWT. */
  refreshed: { expiresAt: number }
  /** A socket, or an attempt to get one, has ended. */
  close: CloseInfo
  /** The next attempt starts in `delay` milliseconds, or earlier when the network returns or the page becomes visible. */
  waiting: { delay: number, attempt: number, error: AirlockError }
  /**
   * A socket has broken that had taken `count` messages since it opened, or the connection is over and drops so many: nobody
   * knows which of them the server has got. They are not sent again. Comes before `close`.
   */
  uncertain: { count: number }
  /** Something went wrong. After a `final` error the status is `closed`. */
  error: AirlockError
}

/** Options of {@link Connection.ready}. */
export interface ReadyOptions {
  /** Ends the waiting, not the connection. */
  signal?: AbortSignal | undefined
  /**
   * In milliseconds.
   * @default undefined, for as long as it takes
   */
  timeout?: number | undefined
}

/** Options of {@link Connection.send}. */
export interface SendOptions {
  /**
   * Whether the message is worthless later, such as the position of a pointer: it is dropped unless the socket takes it at
   * once and has no more than 16 KiB before it.
   * @default false
   */
  volatile?: boolean | undefined
}

/** A connection, over all the sockets that it takes to keep it. */
export interface Connection<In = unknown, Out = unknown> extends AsyncIterable<In> {
  readonly status: Status
  /** Who the server thinks we are: the `user` of the last `auth_ok`. */
  readonly user: ProtocolUser | null
  /** When the JWT in force expires, in milliseconds since the epoch. */
  readonly expiresAt: number | null
  /** The subprotocol of the socket; empty without one. */
  readonly protocol: string
  /** What ended the connection; `null` while it lives and after `close()`. */
  readonly error: AirlockError | null
  /** Bytes that wait in the queue and in the socket. */
  readonly bufferedAmount: number
  /** Resolves when the connection is over, for whatever reason, after the last event. Never rejects. */
  readonly closed: Promise<CloseInfo>
  /**
   * Resolves as soon as the status is `open`. Rejects when the connection is over, with the reason of `signal` when that
   * aborts, with `WSA_CLIENT_ERR_TIMEOUT` after `timeout` milliseconds, and with `WSA_CLIENT_ERR_OPTIONS` when one of the two
   * cannot be used. The connection goes on after the last three.
   */
  ready (options?: ReadyOptions): Promise<void>
  /**
   * Sends a message, or queues it until the connection is open. A message that a socket took before it broke is not
   * sent again. A socket takes any amount: check `bufferedAmount` before sending much. Do not change a buffer while it
   * waits.
   *
   * @returns whether the socket took it at once
   * @throws {@link AirlockError} `WSA_CLIENT_ERR_CLOSED` when the connection is over
   * @throws {@link AirlockError} `WSA_CLIENT_ERR_QUEUE_FULL` when the queue is full
   */
  send (message: Out, options?: SendOptions): boolean
  /**
   * Gets a new JWT from `getToken` and sends it to the server. Resolves with the server's answer. Rejects when there is
   * no JWT, when the socket ends first, and when the status is not `open`. Calls share a refresh that is already running.
   */
  refresh (): Promise<void>
  /** Ends a wait at once, whatever the server asked for. Does nothing in any other status. */
  retryNow (): void
  /** Adds a listener. An error that it throws is reported as uncaught. @returns a function that removes it */
  on<Name extends keyof Events<In>> (name: Name, listener: (event: Events<In>[Name]) => void): () => void
  /**
   * Ends the connection and drops the queue.
   *
   * @param code 1000, or 3000 to 4999
   * @param reason at most 123 bytes of UTF-8
   * @throws {@link AirlockError} `WSA_CLIENT_ERR_OPTIONS` when the code or reason is not allowed
   * @default code 1000
   */
  close (code?: number, reason?: string): void
}
