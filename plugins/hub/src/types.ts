import type { HubHealth, HubStats } from './status.js'
import type { WsClaims, WsIdentityTypes } from '@fastify-airlock/core'
import type { MessageRate } from '@fastify-airlock/protocol'
import type { WebSocket } from 'ws'

/**
 * What can be sent. A string becomes a text message. A `Uint8Array`, any other view, a `Buffer` or an `ArrayBuffer`
 * becomes a binary one. Everything else is sent as its JSON text.
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
   * Leaves out every connection for which it does not return `true`. A function cannot reach other nodes: with a bus,
   * `local` must be `true` as well. An error that it throws is thrown to the caller, and the connections after that one
   * get nothing.
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
   * Whether `+` and `#` are wildcards, as in MQTT: `+` is any one level, `#` any number of levels, at the end only.
   * Otherwise they are plain characters.
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

/**
 * What the hub knows of a client; the `WsIdentity` of the other plugins fits. The hub keeps the object, not a copy.
 * Once an application has merged its claims into `WsIdentityTypes`, `add` asks for them, so that filters and
 * `authorizeTopic` always have them.
 */
export type HubIdentity = HubSubject & (WsIdentityTypes extends { claims: infer Claims } ? { claims: Claims } : HubClaims)

/** Whom a connection of the hub belongs to. */
export interface HubSubject {
  /** The user's id. */
  subject: string
}

/** What a {@link HubIdentity} may tell of a client while no claims are merged into `WsIdentityTypes`. */
export interface HubClaims {
  /** What else is known of the client, for filters and for `authorizeTopic`. */
  claims?: WsClaims
}

/**
 * The authenticated connections of this process. A connection is in the hub from `add` until its `'close'` event; the
 * hub never sends anything to another socket of the server.
 */
export interface WsHub {
  /**
   * Takes in a connection that is authenticated. The handshake plugin calls this right after `auth_ok`.
   * A second call for the same connection and subject does nothing. A connection over a limit is closed: with 1012
   * while the hub drains, with 1013 when the node is full, with 4429 when the subject has enough connections.
   *
   * @returns whether the connection is in the hub: `false` when it is not open or was refused
   * @throws {@link WSA_HUB_ERR_INVALID_SUBJECT} when `identity.subject` is not a non-empty string
   * @throws {@link WSA_HUB_ERR_SUBJECT_CHANGED} when the connection was added for another subject
   */
  add (socket: WebSocket, identity: HubIdentity): boolean

  /**
   * Subscribes a connection to a topic until it leaves or closes. What this node publishes reaches it from now on; for
   * what other nodes publish see {@link WsHub.busReady}.
   *
   * @returns whether it is subscribed now: `false` when it has closed meanwhile
   * @throws {@link WSA_HUB_ERR_UNKNOWN_SOCKET} when the socket is open and was not added
   * @throws {@link WSA_HUB_ERR_INVALID_TOPIC} when the topic is empty, too long or no pattern
   * @throws {@link WSA_HUB_ERR_TOO_MANY_TOPICS} when the connection has joined as many topics as it may
   */
  join (socket: WebSocket, topic: string, options?: JoinOptions): boolean

  /**
   * {@link WsHub.join} for a topic that a client asks for: `authorizeTopic` has to allow it.
   *
   * @param topic what the client has sent, unchecked
   * @returns whether it is subscribed now: `false` when it is not allowed, and for anything else that a client can cause
   * @throws {@link WSA_HUB_ERR_UNKNOWN_SOCKET} when the socket is open and was not added
   */
  requestJoin (socket: WebSocket, topic: unknown, options?: JoinOptions): Promise<boolean>

  /**
   * Ends a subscription.
   *
   * @returns whether there was one
   * @throws {@link WSA_HUB_ERR_UNKNOWN_SOCKET} when the socket is open and was not added
   */
  leave (socket: WebSocket, topic: string, options?: JoinOptions): boolean

  /**
   * Waits until the bus has confirmed all subscriptions so far. From then on, what other nodes publish arrives here.
   *
   * @returns `true` then, and at once without a bus; `false` when the bus is down
   */
  busReady (): Promise<boolean>

  /**
   * Sends a message to every connection that joined the topic, on every node, to each once. A connection that fails
   * does not keep the message from the others. Wildcards in the topic are plain characters.
   *
   * @returns how many connections of this node took the message; whether it arrives is not known
   * @throws {@link WSA_HUB_ERR_INVALID_TOPIC} when the topic is empty or too long
   * @throws {@link WSA_HUB_ERR_INVALID_DATA} when the data has no JSON form
   * @throws {@link WSA_HUB_ERR_DATA_SIZE} when the data is larger than `maxBufferedBytes`
   * @throws {@link WSA_HUB_ERR_FILTER} when a filter would have to reach other nodes
   */
  publish (topic: string, data: HubData, options?: SendOptions): number

  /**
   * Sends a message to every connection, on every node. A connection that fails does not keep the message from the
   * others.
   *
   * @returns how many connections of this node took the message; whether it arrives is not known
   * @throws {@link WSA_HUB_ERR_INVALID_DATA} when the data has no JSON form
   * @throws {@link WSA_HUB_ERR_DATA_SIZE} when the data is larger than `maxBufferedBytes`
   * @throws {@link WSA_HUB_ERR_FILTER} when a filter would have to reach other nodes
   */
  broadcast (data: HubData, options?: SendOptions): number

  /** The connections of one user on this node at this moment: a copy that does not change. */
  connectionsOf (subject: string): ReadonlySet<WebSocket>

  /**
   * Closes every connection of one user, on every node, and terminates a peer that does not answer within
   * `closeTimeout`. What such a peer still sends reaches no `'message'` listener. While the bus is down, other nodes
   * cannot know; they close the connections when the bus is back.
   *
   * @returns how many open connections of this node were closed
   * @throws {@link WSA_HUB_ERR_INVALID_CODE} when the code must not be sent; nothing is closed then
   */
  disconnect (subject: string, options?: DisconnectOptions): number

  /** How many connections the hub of this node has, or how many a publication to a topic reaches. */
  count (topic?: string): number

  /** The users who are connected to this node, or whom a publication to a topic reaches: each once. */
  subjects (topic?: string): string[]

  /** The topics that somebody on this node has joined; with `wildcard`, the patterns. */
  topics (options?: JoinOptions): string[]

  /** How the hub is. A lost bus makes it `degraded`, which is no reason to take the node out of service. */
  health (): HubHealth

  /** How many messages each client may send; `false` for no limit. The handshake tells clients that ask. */
  readonly messageRate: MessageRate | false

  /** Counters since the start: one live object, for `/metrics`. */
  readonly stats: Readonly<HubStats>

  /**
   * Refuses new connections and closes all others in batches, with 1012 and `{"retryAfter":<milliseconds>}` as the
   * reason. The plugin calls it before the server closes. A second call returns the same promise.
   *
   * @returns a promise that resolves when the last connection is gone or, at the time limit, terminated
   */
  drain (): Promise<void>
}

declare module 'fastify' {
  interface FastifyInstance {
    /** The authenticated connections of this process. */
    wsHub: WsHub
  }
}
