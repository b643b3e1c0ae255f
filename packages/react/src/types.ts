import type { AirlockError, Connection, SendOptions, Status } from '@fastify-airlock/client'

/** The client's status, or `idle` when nothing has started: on a server, before the first effect, or not `enabled`. */
export type SocketStatus = 'idle' | Status

/** The state of a socket. It is replaced, never modified. */
export interface Snapshot<In = unknown, Out = unknown> {
  readonly status: SocketStatus
  /** Who the server thinks we are: the `user` of the last `auth_ok`. */
  readonly user: Connection['user']
  /** Why it is not open: the last failure while it waits, or what ended it. `null` while it is open. */
  readonly error: AirlockError | null
  /** The last message of this connection; `undefined` before the first. */
  readonly lastMessage: In | undefined
  /** The client's connection, for its events and for `refresh`; `null` while idle. */
  readonly connection: Connection<In, Out> | null
}

/**
 * A socket as a component sees it. The component renders again only when a property that it has read changes. `send`,
 * `close` and `reconnect` never change.
 */
export interface AirlockSocket<In = unknown, Out = unknown> extends Snapshot<In, Out> {
  /**
   * Sends a message, or queues it until the connection is open. With `{ volatile: true }` it is dropped instead.
   *
   * @returns whether the socket took it at once
   * @throws {@link AirlockError} `WSA_CLIENT_ERR_CLOSED` when there is no connection and none will start
   * @throws {@link AirlockError} `WSA_CLIENT_ERR_QUEUE_FULL` when the queue is full
   */
  readonly send: (message: Out, options?: SendOptions) => boolean
  /**
   * Ends the connection. `reconnect`, or a change of the options, starts another one.
   *
   * @param code 1000, or 3000 to 4999
   * @default code 1000
   * @throws {@link AirlockError} `WSA_CLIENT_ERR_OPTIONS` when the code or reason is not allowed
   */
  readonly close: (code?: number, reason?: string) => void
  /** Starts a new connection when the last one is `closed`; ends a wait. Does nothing in any other status. */
  readonly reconnect: () => void
}

/** A message, and when it arrived. */
export interface WebSocketLiteData<In> {
  /** The JSON value, or the text if it is not JSON; an `ArrayBuffer` for a binary message. */
  message: In
  /** Milliseconds since the epoch. */
  timestamp: number
}

/** What {@link useWebSocketLite} returns. */
export interface WebSocketLite<In> {
  /** Sends JSON, or binary data as it is. @returns whether the message was sent or queued */
  send: (message: unknown) => boolean
  /** A message; `undefined` before the first. Each is rendered once, in order, so an effect on it sees all. */
  data: WebSocketLiteData<In> | undefined
  /** Whether the server has accepted the connection. */
  readyState: boolean
}
