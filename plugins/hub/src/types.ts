import type { WsClaims } from '@fastify-airlock/core'
import type { WebSocket } from 'ws'
import type { HubHealth, HubStats } from './status.js'

/**
 * What can be sent. A string becomes a text message; a `Uint8Array`, any other view, a `Buffer` or an `ArrayBuffer`
 * becomes a binary one; everything else is sent as its JSON text.
 */
export type HubData = string | Uint8Array | object

/** Options of {@link WsHub.publish} and {@link WsHub.broadcast}. */
export interface SendOptions {
  /**
   * A connection to leave out: usually the one whose message is passed on.
   * @default undefined
   */
  except?: WebSocket
  /**
   * Leaves out every connection for which it does not return `true`. It cannot reach other nodes: with a bus, `local`
   * must be `true` as well. What it throws, the caller gets, and the connections after that one nothing.
   * @default undefined
   */
  filter?: (identity: HubIdentity, socket: WebSocket) => boolean
  /**
   * Keeps the message on this node.
   * @default false
   */
  local?: boolean
}

/** Options of {@link WsHub.join}, {@link WsHub.leave} and {@link WsHub.requestJoin}. */
export interface JoinOptions {
  /**
   * Whether `+` (one level) and `#` (all that follow; last level only) stand for any text between slashes, as in MQTT.
   * They are plain characters otherwise.
   * @default false
   */
  wildcard?: boolean
}

/** Options of {@link WsHub.disconnect}. */
export interface DisconnectOptions {
  /**
   * The close code: 1000 to 1003, 1007 to 1014 or 3000 to 4999 (RFC 6455, section 7.4).
   * @default 4403
   */
  code?: number
  /**
   * The close reason, cut to 123 bytes of UTF-8.
   * @default 'disconnected'
   */
  reason?: string
}

/** What the hub is told of a client; the `WsIdentity` of the other plugins fits. It is kept, not copied. */
export interface HubIdentity {
  /** The user's id. */
  subject: string
  /** What else is known of the client: for filters and for `authorizeTopic`. */
  claims?: WsClaims
}

/**
 * The authenticated connections of this process. A connection is in it from `add` until its `'close'` event; no
 * other socket of the server is ever sent anything.
 */
export interface WsHub {
  /**
   * Takes a connection in, once it is authenticated. The handshake plugin calls it by itself, right after `auth_ok`.
   * A second call for the same connection and subject does nothing. A connection over a limit is closed: with 1012
   * while the hub drains, 1013 where the node is full, 4429 where the subject has enough.
   *
   * @returns whether the connection is in the hub: `false` where it is not open (any more) or was refused
   * @throws `WSA_HUB_ERR_INVALID_SUBJECT` where `identity.subject` is not a non-empty string
   * @throws `WSA_HUB_ERR_SUBJECT_CHANGED` where the connection was added for another subject
   */
  add (socket: WebSocket, identity: HubIdentity): boolean

  /**
   * Subscribes a connection to a topic, until it leaves or closes. What this node publishes reaches it from now on;
   * for what other nodes publish see {@link WsHub.subscribed}.
   *
   * @returns whether it is subscribed now: `false` where it has closed meanwhile
   * @throws `WSA_HUB_ERR_UNKNOWN_SOCKET` where the socket is open and was not added
   * @throws `WSA_HUB_ERR_INVALID_TOPIC`
   * @throws `WSA_HUB_ERR_TOO_MANY_TOPICS`
   */
  join (socket: WebSocket, topic: string, options?: JoinOptions): boolean

  /**
   * {@link WsHub.join} for a topic that a client asks for: `authorizeTopic` has to allow it.
   *
   * @param topic what the client has sent, unchecked
   * @returns whether it is subscribed now; `false` where it may not, and for whatever else a client can cause
   * @throws `WSA_HUB_ERR_UNKNOWN_SOCKET` where the socket is open and was not added
   */
  requestJoin (socket: WebSocket, topic: unknown, options?: JoinOptions): Promise<boolean>

  /**
   * Ends a subscription.
   *
   * @returns whether there was one
   * @throws `WSA_HUB_ERR_UNKNOWN_SOCKET` where the socket is open and was not added
   */
  leave (socket: WebSocket, topic: string, options?: JoinOptions): boolean

  /**
   * Waits until the bus has confirmed all subscriptions so far, and so until what other nodes publish arrives here.
   *
   * @returns `true` then, and at once where there is no bus; `false` where the bus is down
   */
  subscribed (): Promise<boolean>

  /**
   * Sends a message to every connection that joined the topic, on every node, to each once. One failing connection does
   * not keep it from the others. Wildcards in the topic are plain characters.
   *
   * @returns to how many connections of this node it was handed over; whether it arrives is not known
   * @throws `WSA_HUB_ERR_INVALID_TOPIC`
   * @throws `WSA_HUB_ERR_INVALID_DATA` where the data has no JSON form
   * @throws `WSA_HUB_ERR_DATA_SIZE` where it is larger than `maxBufferedBytes`
   * @throws `WSA_HUB_ERR_FILTER` where a filter would have to reach other nodes
   */
  publish (topic: string, data: HubData, options?: SendOptions): number

  /**
   * Sends a message to every connection, on every node. One failing connection does not keep it from the others.
   *
   * @returns to how many connections of this node it was handed over; whether it arrives is not known
   * @throws as {@link WsHub.publish}
   */
  broadcast (data: HubData, options?: SendOptions): number

  /** The connections of one user on this node, at this moment: a copy that does not change. */
  connectionsOf (subject: string): ReadonlySet<WebSocket>

  /**
   * Closes every connection of one user, on every node, and terminates a peer that does not answer in `closeTimeout`.
   * What such a peer still sends reaches no `'message'` listener. Other nodes learn of it when the bus is back, where
   * it is down.
   *
   * @returns how many open connections of this node that were
   * @throws `WSA_HUB_ERR_INVALID_CODE` where the code must not be sent; nothing is closed then
   */
  disconnect (subject: string, options?: DisconnectOptions): number

  /** Connections in the hub of this node, or those that a publication to a topic reaches. */
  count (topic?: string): number

  /** The users who are connected to this node, or whom a publication to a topic reaches: each once. */
  subjects (topic?: string): string[]

  /** The topics that somebody on this node has joined; with `wildcard`, the patterns. */
  topics (options?: JoinOptions): string[]

  /** How the hub is; a lost bus is `degraded`, and no reason to take the node out of service. */
  health (): HubHealth

  /** Counters since the start: one live object, for `/metrics`. */
  readonly stats: Readonly<HubStats>

  /**
   * Refuses new connections and closes all others in batches, with 1012 and `{"retryAfter":<milliseconds>}` as the
   * reason. The plugin calls it before the server closes; a second call gets the same promise.
   *
   * @returns a promise that resolves when the last connection is gone, or has been terminated at the time limit
   */
  drain (): Promise<void>
}

declare module 'fastify' {
  interface FastifyInstance {
    /** The authenticated connections of this process. */
    wsHub: WsHub
  }
}
