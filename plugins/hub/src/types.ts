import type { WebSocket } from 'ws'

/** Options of the plugin. */
export interface WsHubOptions {
  /**
   * Time a peer has to answer the close frame of {@link WsHub.disconnect}, in milliseconds, before it is terminated.
   * @default 2000
   */
  closeTimeout?: number
}

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

/** The part of an identity that the hub needs; the `WsIdentity` of the other plugins has it. */
export interface HubIdentity {
  /** The user's id. */
  subject: string
}

/**
 * The authenticated connections of this process. A connection is in it from `add` until its `'close'` event; no
 * other socket of the server is ever sent anything.
 */
export interface WsHub {
  /**
   * Takes a connection in, once it is authenticated. The handshake plugin calls it by itself, right after `auth_ok`.
   * A second call for the same connection and subject does nothing.
   *
   * @returns whether the connection is in the hub: `false` where it is not open (any more)
   * @throws `WSA_HUB_ERR_INVALID_SUBJECT` where `identity.subject` is not a non-empty string
   * @throws `WSA_HUB_ERR_SUBJECT_CHANGED` where the connection was added for another subject
   */
  add (socket: WebSocket, identity: HubIdentity): boolean

  /**
   * Subscribes a connection to a topic, until it leaves or closes.
   *
   * @returns whether it is subscribed now: `false` where it has closed meanwhile
   * @throws `WSA_HUB_ERR_UNKNOWN_SOCKET` where the socket is open and was not added
   */
  join (socket: WebSocket, topic: string): boolean

  /**
   * Ends a subscription.
   *
   * @returns whether there was one
   * @throws `WSA_HUB_ERR_UNKNOWN_SOCKET` where the socket is open and was not added
   */
  leave (socket: WebSocket, topic: string): boolean

  /**
   * Sends a message to every connection that joined the topic. One failing connection does not keep it from the others.
   *
   * @returns to how many connections it was handed over; whether it arrives is not known
   * @throws `WSA_HUB_ERR_INVALID_DATA` where the data has no JSON form
   */
  publish (topic: string, data: HubData, options?: SendOptions): number

  /**
   * Sends a message to every connection. One failing connection does not keep it from the others.
   *
   * @returns to how many connections it was handed over; whether it arrives is not known
   * @throws `WSA_HUB_ERR_INVALID_DATA` where the data has no JSON form
   */
  broadcast (data: HubData, options?: SendOptions): number

  /** The connections of one user at this moment: a copy that does not change. */
  connectionsOf (subject: string): ReadonlySet<WebSocket>

  /**
   * Closes every connection of one user, and terminates a peer that does not answer in `closeTimeout`. What such a
   * peer still sends reaches no `'message'` listener.
   *
   * @returns how many open connections that were
   * @throws `WSA_HUB_ERR_INVALID_CODE` where the code must not be sent; nothing is closed then
   */
  disconnect (subject: string, options?: DisconnectOptions): number

  /** Connections in the hub, or in one topic. */
  count (topic?: string): number

  /** The users who are connected, or who have a connection in one topic: each once. */
  subjects (topic?: string): string[]

  /** The topics that somebody has joined. */
  topics (): string[]
}

declare module 'fastify' {
  interface FastifyInstance {
    /** The authenticated connections of this process. */
    wsHub: WsHub
  }
}
