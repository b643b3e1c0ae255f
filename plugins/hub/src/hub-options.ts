import type { WebSocket } from 'ws'
import type { HubIdentity, JoinOptions } from './types.js'

/** What happens to a connection whose unsent bytes pass `maxBufferedBytes`. */
export type SlowConsumerAction = 'terminate' | 'drop' | 'send'

/** What a `slowConsumer` callback is told. */
export interface SlowConsumerInfo {
  /** Whose connection it is. */
  subject: string
  /** Bytes that wait on the connection. */
  bufferedBytes: number
  /** Bytes of the message that does not fit, its frame included. */
  messageBytes: number
}

/** How many messages a client may send. */
export interface MessageRate {
  /** Messages a second in the long run. */
  perSecond: number
  /** Messages at once. */
  burst: number
}

/** How connections are closed before a shutdown. */
export interface DrainOptions {
  /**
   * Connections that are closed at once. More, where all would not be closed within `timeout` otherwise.
   * @default 1000
   */
  batch?: number
  /**
   * Time between two batches, in milliseconds.
   * @default 100
   */
  interval?: number
  /**
   * Time after which whatever is left is terminated, in milliseconds. Fastify gives a `preClose` hook 10 s
   * (`pluginTimeout`), in which the sockets outside of the hub have to be closed as well.
   * @default 7000
   */
  timeout?: number
  /**
   * Clients are told to come back after a random time between 0 and this, in milliseconds, so that they do not all
   * come at once.
   * @default 5000
   */
  jitter?: number
}

/** A message on the bus: plain data, of which only `topic` matters to the bus. */
export interface HubBusMessage {
  topic: string
  [member: string]: unknown
}

/** What carries messages between nodes: any mqemitter with its default separator and wildcards. */
export interface HubBus {
  on (topic: string, listener: (message: any, done: () => void) => void, callback?: () => void): unknown
  emit (message: HubBusMessage, callback?: (error?: Error | null) => void): unknown
  removeListener (topic: string, listener: (message: any, done: () => void) => void, callback?: () => void): unknown
}

/** Options of the plugin. */
export interface WsHubOptions {
  /**
   * Time a peer has to answer a close frame of the hub, in milliseconds, before it is terminated.
   * @default 2000
   */
  closeTimeout?: number
  /**
   * Bytes that may wait unsent on one connection, the message that is about to be sent included.
   * @default 1048576
   */
  maxBufferedBytes?: number
  /**
   * What happens to a connection that would have more waiting than `maxBufferedBytes`. `'terminate'` ends it, without
   * a close frame, which could not pass the full pipe. `'drop'` leaves this message out for it. A function decides
   * each time; `'send'` lets the message pass.
   * @default 'terminate'
   */
  slowConsumer?: 'terminate' | 'drop' | ((socket: WebSocket, info: SlowConsumerInfo) => SlowConsumerAction)
  /**
   * Connections in the hub of this node. One more is closed with 1013.
   * @default Infinity
   */
  maxConnections?: number
  /**
   * Open connections of one subject on this node.
   * @default 10
   */
  maxConnectionsPerSubject?: number
  /**
   * What happens to one connection more: `'refuse'` closes the new one with 4429, `'replace'` the oldest with 4409.
   * @default 'refuse'
   */
  onSubjectLimit?: 'refuse' | 'replace'
  /**
   * How many messages each client may send; one that sends more is closed with 4429. `false` for no limit.
   * @default { perSecond: 100, burst: 200 }
   */
  messageRate?: MessageRate | false
  /**
   * Topics and patterns that one connection may have joined at a time.
   * @default 100
   */
  maxTopicsPerConnection?: number
  /**
   * Decides whether a client may join the topic that it asks for in {@link WsHub.requestJoin}. Anything but `true`
   * denies; so does an error, which is logged.
   * @default denies everything
   */
  authorizeTopic?: (
    identity: HubIdentity, topic: string, options: Required<JoinOptions>
  ) => boolean | Promise<boolean>
  /**
   * What connects the hubs of several nodes. The hub ends its subscriptions when the server closes; closing the bus
   * remains the business of whoever made it.
   * @default undefined, for a node that stands alone
   */
  bus?: HubBus
  /**
   * First part of all topics on the bus: letters, digits, `_`, `-`, `.`, `:` and `/`. Hubs with the same one belong together.
   * @default 'airlock'
   */
  busPrefix?: string
  /**
   * Time between two messages that the hub sends to itself over the bus, in milliseconds. Two that do not come back
   * mean that the bus is down.
   * @default 5000
   */
  busBeat?: number
  /** How connections are closed before a shutdown. */
  drain?: DrainOptions
}
