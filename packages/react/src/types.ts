import type { AirlockError, CloseInfo, ConnectOptions, Connection, Events, Status } from '@fastify-airlock/client'
import type { ReactNode } from 'react'

/** The client's status, or `idle` where nothing was begun: on a server, before the first effect, not `enabled`. */
export type SocketStatus = 'idle' | Status

/**
 * What a component may be called with. The functions of its last render count, so they may be written inline. None is
 * called once the component is unmounted.
 */
export interface SocketHandlers<In = unknown> {
  /** The connection went through both doors, for the first time or again. */
  onOpen?: ((event: Events<In>['open']) => void) | undefined
  /** A message of the application came. */
  onMessage?: ((message: In) => void) | undefined
  /** A socket, or an attempt to have one, has ended. */
  onClose?: ((info: CloseInfo) => void) | undefined
  /** Something went wrong. After an error that is `final` the status is `closed`. */
  onError?: ((error: AirlockError) => void) | undefined
}

/**
 * Settings of {@link useAirlockSocket}: those of the client's `connect` without `signal`, since mounting begins the
 * connection and unmounting ends it.
 *
 * A change of `url`, `carrier`, `ticketName`, `enabled` or the content of `protocols` ends the connection and begins
 * another. `getTicket`, `getToken` and the handlers are always those of the last render. Everything else is read when
 * a connection begins.
 */
export interface AirlockSocketOptions<In = unknown, Out = unknown>
  extends Omit<ConnectOptions<In, Out>, 'signal'>, SocketHandlers<In> {
  /**
   * Whether there is to be a connection.
   * @default true
   */
  enabled?: boolean | undefined
}

/** Settings of a provider, and what is below it. */
export interface AirlockProviderProps<In = unknown, Out = unknown> extends AirlockSocketOptions<In, Out> {
  children?: ReactNode
}

/** What of a socket changes. Never modified, but replaced. */
export interface Snapshot<In = unknown, Out = unknown> {
  readonly status: SocketStatus
  /** Who the server took us for: the `user` of the last `auth_ok`. */
  readonly user: Connection['user']
  /** Why it is not open: the last failure while it waits, what ended it once it is closed. `null` while it is open. */
  readonly error: AirlockError | null
  /** The last message of this connection; `undefined` before the first. */
  readonly lastMessage: In | undefined
  /** The client's connection, for its events and for `refresh`; `null` while idle. */
  readonly connection: Connection<In, Out> | null
}

/**
 * A socket as a component sees it. A component renders again only when a property that it has read changes. `send`,
 * `close` and `reconnect` always stay the same.
 */
export interface AirlockSocket<In = unknown, Out = unknown> extends Snapshot<In, Out> {
  /**
   * Sends, or queues until the connection is open.
   *
   * @returns whether it was handed to the socket at once
   * @throws WSA_CLIENT_ERR_CLOSED, WSA_CLIENT_ERR_QUEUE_FULL
   */
  readonly send: (message: Out) => boolean
  /**
   * Ends the connection, which `reconnect` or a change of the options begins anew.
   *
   * @param code 1000, or 3000 to 4999
   * @default code 1000
   */
  readonly close: (code?: number, reason?: string) => void
  /** Begins a new connection where the last one is `closed`; cuts a wait short. Does nothing in any other status. */
  readonly reconnect: () => void
}
