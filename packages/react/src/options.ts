import type { AirlockError, CloseInfo, Connection, ConnectOptions, Events } from '@fastify-airlock/client'
import type { ReactNode } from 'react'

/**
 * Functions of a component that are called for events. The ones from the last render are called, so they may be written
 * inline. None is called after the component has unmounted.
 */
export interface SocketHandlers<In = unknown> {
  /** The connection has passed both doors, for the first time or again. */
  onOpen?: ((event: Events<In>['open']) => void) | undefined
  /** A message of the application has arrived. */
  onMessage?: ((message: In) => void) | undefined
  /** A socket, or an attempt to get one, has ended. */
  onClose?: ((info: CloseInfo) => void) | undefined
  /** A socket has broken that had taken messages, or messages are dropped: nobody knows which of them have arrived. */
  onUncertain?: ((event: Events<In>['uncertain']) => void) | undefined
  /** Something went wrong. After a `final` error the status is `closed`. */
  onError?: ((error: AirlockError) => void) | undefined
}

/**
 * Options of {@link useAirlockSocket}: those of the client's `connect`, without `signal`, since mounting starts the
 * connection and unmounting ends it.
 *
 * When `url`, `carrier`, `ticketName`, `enabled` or the content of `protocols` changes, the connection ends and another
 * one starts. `getTicket`, `getToken` and the handlers are always those of the last render. All other options are read
 * when a connection starts.
 */
export interface AirlockSocketOptions<In = unknown, Out = unknown>
  extends Omit<ConnectOptions<In, Out>, 'signal'>, SocketHandlers<In> {
  /**
   * Whether to connect.
   * @default true
   */
  enabled?: boolean | undefined
  /**
   * What connects: `connectTopics` of `@fastify-airlock/client/topics` for a connection with topics.
   * @default connect of the client
   */
  connect?: ((options: ConnectOptions<In, Out>) => Connection<In, Out>) | undefined
}

/** Whether the options ask for a connection. */
export function isEnabled ({ enabled = true }: Pick<AirlockSocketOptions, 'enabled'>): boolean {
  return enabled
}

/** Options of a provider, and its children. */
export interface AirlockProviderProps<In = unknown, Out = unknown> extends AirlockSocketOptions<In, Out> {
  children?: ReactNode
}

/** The first frame that {@link useWebSocketLite} sends. */
export interface InitPayload {
  /** @default 'auth' */
  type?: 'auth' | 'jwt' | undefined
  /** The JWT. */
  token: string
}

/** Options of {@link useWebSocketLite}. */
export interface WebSocketLiteOptions {
  /** Where to connect. A `ticket` in the query is removed from the URL, and used as the ticket of one attempt. */
  socketUrl: string
  /**
   * How often to try again in a row.
   * @default Infinity
   */
  retry?: number | undefined
  /**
   * Ceiling of the random wait before the first retry, in milliseconds. It doubles with each retry, up to 30 s.
   * @default 1500
   */
  retryInterval?: number | undefined
  /** Leave it out for routes that ask for no JWT: the socket is then ready as soon as it is open. */
  initPayload?: InitPayload | undefined
  /** {@link ConnectOptions.maxAuthBytes} of the client. */
  maxAuthBytes?: number | undefined
  /** Gets the ticket of each attempt that has none from `socketUrl`. */
  getTicket?: ConnectOptions['getTicket']
}

/** Defaults of {@link WebSocketLiteOptions}. */
export const LITE_DEFAULTS = { retry: Infinity, retryInterval: 1_500 } as const
