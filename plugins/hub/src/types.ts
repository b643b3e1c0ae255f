import type { OrderTarget, WsClaims, WsIdentityTypes } from '@fastify-airlock/core'
import type { MessageRate } from '@fastify-airlock/protocol'
import type { WebSocket } from 'ws'
import type { HubCluster } from './cluster-types.js'
import type { TopicLeftReason } from './events.js'
import type { HubHealth, HubStats } from './status.js'

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
   * @default 4410 for clients that have asked for it in `auth`, 4403 for the others
   */
  code?: number
  /**
   * The close reason, cut to 123 bytes of UTF-8.
   * @default 'disconnected'
   */
  reason?: string
}

/** Options of {@link WsHub.disconnectAll}. */
export interface DisconnectAllOptions extends DisconnectOptions {
  /**
   * How long to wait for other nodes, in milliseconds; at most 2147483647. Nobody waits any more when the server closes.
   * @default 5000
   */
  timeout?: number
}

/**
 * Whom to disconnect: the connections to which all of these members apply. At least one is needed. A member that is there and
 * `undefined` is an error: leave it out to mean all connections, whatever theirs is.
 */
export interface DisconnectTarget extends OrderTarget, DisconnectOptions {
  /** One connection: the socket, or what {@link WsHub.idOf} says of it on any node. */
  connection?: WebSocket | string
}

/** What {@link WsHub.disconnectAll} has done. */
export interface DisconnectOutcome {
  /** Open connections that were closed, on all of these nodes. */
  closed: number
  /** Nodes that have closed them, this one included. */
  nodes: number
}

/**
 * Carries out an order of another plugin on this node. It may be called twice for an order that came late. What it throws is
 * logged, and is no answer; nor is anything but a string.
 *
 * @param detail what the order says, from this node or another: anyone who can write to the bus may have written it
 * @returns what is told to the node that gave the order
 */
export type OrderListener = (detail: string) => string | Promise<string>

/** Options of {@link WsHub.giveOrder}. */
export interface GiveOrderOptions {
  /**
   * How long to wait for other nodes, in milliseconds; at most 2147483647. Nobody waits any more when the server closes.
   * @default 5000
   */
  timeout?: number
}

/** What has become of an order of another plugin. */
export interface OrderAnswers {
  /** What the listeners on all of these nodes have answered, in any order. */
  answers: string[]
  /** Nodes that have carried it out, this one included. */
  nodes: number
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
  /**
   * When the client's token expires, in milliseconds since the epoch: until then a topic is its own, unless `topicLease`
   * says less.
   * @default null
   */
  expiresAt?: number | null
}

/** Whose rights {@link WsHub.reauthorize} asks about: at least one of `subject` and `topic`. */
export interface ReauthorizeOptions {
  /**
   * The user.
   * @default every user
   */
  subject?: string
  /**
   * The topic. The patterns that match it are asked about as well.
   * @default every topic
   */
  topic?: string
  /**
   * Whether `topic` is a pattern: it concerns every topic that it matches, and every pattern with a topic in common.
   * @default false
   */
  wildcard?: boolean
}

/** What has become of the topics that were asked about on this node. */
export interface Reauthorized {
  /** Connections that have stayed in a topic: one for each topic. */
  kept: number
  /** Connections that have left a topic. */
  left: number
}

/** Options of {@link WsHub.evict}. */
export interface EvictOptions {
  /** The user. */
  subject: string
  /** The topic. */
  topic: string
  /**
   * Whether `topic` is a pattern: it takes away every topic that it matches, and every pattern with a topic in common.
   * @default false
   */
  wildcard?: boolean
}

/** What an `onTopicLeft` function gets. */
export interface TopicLeft {
  /** The user of the connection. */
  subject: string
  /** The topic, or the pattern. */
  topic: string
  /** Whether it is a pattern. */
  wildcard: boolean
  /** Why. */
  reason: TopicLeftReason
}

/**
 * The authenticated connections of this process. A connection is in the hub from `add` until its `'close'` event; the
 * hub never sends anything to another socket of the server.
 */
export interface WsHub extends HubCluster {
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
   * @returns whether it is subscribed now: `false` when it has closed meanwhile, or is closing
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
   * Asks `authorizeTopic` again about topics that clients have asked for, on every node. Who may not stay leaves: the
   * connection stays open, and its other topics lose nothing. Topics that the application has joined with `join` are its
   * own affair. While an answer is awaited, the messages of that topic wait; the last of them come or go with the answer.
   * A node that the bus does not reach does it when it is back, and asks at the end of `topicLease` meanwhile.
   *
   * @returns what has become of the topics of this node, once all answers are there, or the server closes
   * @throws {@link WSA_HUB_ERR_INVALID_TARGET} when a member is unknown, `subject` or `topic` is there and `undefined`, or
   *   `wildcard` is no boolean
   * @throws {@link WSA_HUB_ERR_NO_SELECTION} when neither a subject nor a topic is named
   * @throws {@link WSA_HUB_ERR_INVALID_SUBJECT} when the subject is not a non-empty string
   * @throws {@link WSA_HUB_ERR_INVALID_TOPIC} when the topic is empty, too long or no pattern
   */
  reauthorize (options: ReauthorizeOptions): Promise<Reauthorized>

  /**
   * Takes a topic away from every connection of one user, on every node, however they have joined it, and with it every
   * pattern that would bring its messages. A request to join it that is under way is denied. The user may ask again:
   * have `authorizeTopic` deny it before. A node that cannot be reached now does the same as soon as it can, and spares
   * connections that began after this call.
   *
   * @returns how many connections of this node have left
   * @throws {@link WSA_HUB_ERR_INVALID_TARGET} when a member is unknown, or `wildcard` is no boolean
   * @throws {@link WSA_HUB_ERR_INVALID_SUBJECT} when the subject is not a non-empty string
   * @throws {@link WSA_HUB_ERR_INVALID_TOPIC} when the topic is empty, too long or no pattern
   */
  evict (options: EvictOptions): number

  /**
   * The topics that a connection has joined; with `wildcard`, its patterns.
   *
   * @throws {@link WSA_HUB_ERR_UNKNOWN_SOCKET} when the socket is open and was not added
   */
  topicsOf (socket: WebSocket, options?: JoinOptions): string[]

  /**
   * Waits until the bus has confirmed all subscriptions so far. From then on, what other nodes publish arrives here.
   *
   * @returns `true` then, and at once without a bus; `false` when the bus is down, or the server closes
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
   * Closes the connections of one user, session or token, or one connection, on every node. What waits for such a peer has
   * `flushTimeout` to go out; the peer is terminated when it does not answer the close frame within `closeTimeout` then. What
   * it still sends reaches no `'message'` listener. Who is on the way in is refused, and so is a ticket that was
   * requested before. Who comes later is let in, unless by
   * that session or token. Nodes that cannot be reached now do the same as soon as they can, and spare connections that
   * began after this call.
   *
   * @param target a subject, or whom else it means
   * @returns how many open connections of this node were closed
   * @throws {@link WSA_HUB_ERR_INVALID_TARGET} when it is not clear whom it means; nothing is closed then
   * @throws {@link WSA_HUB_ERR_INVALID_CODE} when the code must not be sent; nothing is closed then
   *
   * @example
   * app.wsHub.disconnect('alice')
   * app.wsHub.disconnect({ subject: 'alice', session: 's1', reason: 'logged out' })
   */
  disconnect (target: string | DisconnectTarget, options?: DisconnectOptions): number

  /**
   * {@link WsHub.disconnect}, and waits until all nodes that are alive have done it.
   *
   * @returns what they have done. A node that cannot be reached within `timeout`, or before this server closes, is not
   * counted, and does it later
   * @throws {@link WSA_HUB_ERR_INVALID_TARGET} when it is not clear whom it means; nothing is closed then
   * @throws {@link WSA_HUB_ERR_INVALID_CODE} when the code must not be sent; nothing is closed then
   * @throws {@link WSA_HUB_ERR_INVALID_TIMEOUT} when `timeout` is no number of milliseconds; nothing is closed then
   */
  disconnectAll (target: string | DisconnectTarget, options?: DisconnectAllOptions): Promise<DisconnectOutcome>

  /**
   * Has the orders of {@link WsHub.giveOrder} with a name carried out on this node. For plugins that have to reach every node,
   * and for applications. Add it before the server is ready: until then, orders of other nodes wait for it.
   */
  onOrder (name: string, carryOut: OrderListener): void

  /**
   * Has an order carried out on every node, this one included, as surely as {@link WsHub.disconnect}: a node that cannot be
   * reached now does it as soon as it can, so it may come long after it was given, or twice.
   *
   * @param name which listeners of {@link WsHub.onOrder} do it
   * @param detail what they get
   * @returns their answers, once this node and all others that are alive have done it. A node that takes longer than
   * `timeout`, or longer than until this server closes, is not counted, and does it all the same
   * @throws {@link WSA_HUB_ERR_INVALID_ORDER} when it has no name or is longer than 16 KiB; nothing is done then
   * @throws {@link WSA_HUB_ERR_INVALID_TIMEOUT} when `timeout` is no number of milliseconds; nothing is done then
   */
  giveOrder (name: string, detail: string, options?: GiveOrderOptions): Promise<OrderAnswers>

  /**
   * An id of a connection that no other connection of any node has, to show to its user, and to disconnect it from any node.
   *
   * @returns `undefined` for a socket that is not in the hub
   */
  idOf (socket: WebSocket): string | undefined

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
   * reason. The plugin calls it before the server closes. From then on nothing waits for other nodes or for `authorizeTopic`:
   * what is waited for ends at once, and orders are still sent. A second call returns the same promise.
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
