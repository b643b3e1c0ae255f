import type { PresenceOffer } from '@fastify-airlock/protocol'
import type { WebSocket } from 'ws'

/** A user who is there. */
export interface PresenceUser {
  /** The user's id. */
  readonly subject: string
  /** Connections of all nodes; 1 as well for one who has just lost the last and may come back within the grace. */
  readonly connections: number
  /** What one of its connections has set last, of those that are there; not there where none has. */
  readonly state?: unknown
}

/** What has changed in a topic. */
export interface PresenceChange {
  /** The topic; `''` for everyone. */
  readonly topic: string
  /** Who has come, or has another number of connections or another state. */
  readonly here: readonly PresenceUser[]
  /** Who has gone. */
  readonly gone: readonly string[]
  /** How many are there now. */
  readonly total: number
}

/** What the plugin has done since the start, and what it holds now. */
export interface PresenceStats {
  /** Topics that this node's connections watch now: one for each connection and topic. */
  watches: number
  /** Users of this node's connections now: one for each topic. */
  subjects: number
  /** Other nodes of which something is known. */
  nodes: number
  /** Changes that watchers were told of: one for each topic and report. */
  changes: number
  /** Messages to other nodes, and from them. */
  bus: { sent: number, received: number, asked: number, invalid: number }
  /** What clients were refused, by code. */
  refused: { forbidden: number, invalid: number, too_many: number, rate: number, unavailable: number }
}

/** Who is there, in a topic or at all. */
export interface WsPresence {
  /** What a client that asks for the extension is told. */
  readonly offer: PresenceOffer

  /** Counters since the start: one live object, for `/metrics`. */
  readonly stats: Readonly<PresenceStats>

  /**
   * Turns the extension on for a connection of the hub. The handshake does this right after `auth_ok`, for clients that have
   * asked for it. Call it yourself on a route without a first frame, whose clients have it turned on as well.
   *
   * @throws {@link WSA_PRESENCE_ERR_UNKNOWN_SOCKET} when the socket is open and was not added to the hub
   */
  accept (socket: WebSocket): void

  /**
   * Who is there now, as far as this node knows: all nodes, each user once.
   *
   * @param topic a topic; without one, everyone who is connected
   * @throws {@link WSA_PRESENCE_ERR_INVALID_TOPIC} when its presence is not kept
   *
   * @example
   * app.get('/online', () => app.wsPresence.of().length)
   */
  of (topic?: string): PresenceUser[]

  /**
   * Has a listener told of each change in a topic, on whichever node, at most once in each `reportInterval`. What it throws is logged.
   *
   * @param topic a topic, or `''` for everyone
   * @returns ends it
   * @throws {@link WSA_PRESENCE_ERR_INVALID_TOPIC} when its presence is not kept
   */
  watch (topic: string, listener: (change: PresenceChange) => unknown): () => void

  /**
   * Sets the state of a connection for a topic, in place of what it has set itself. It is shown while the connection is in the
   * topic, unless another connection of the user sets one later.
   *
   * @param topic a topic, or `''` for everyone
   * @param state anything with a JSON form; `null` or `undefined` for none
   * @throws {@link WSA_PRESENCE_ERR_INVALID_TOPIC} when its presence is not kept
   * @throws {@link WSA_PRESENCE_ERR_INVALID_STATE} when the state has no JSON form, is larger than `maxStateBytes`, or has more
   * than 64 levels of lists and objects
   * @throws {@link WSA_PRESENCE_ERR_TOO_MANY_STATES} when the connection has states for as many topics as it may
   * @throws {@link WSA_PRESENCE_ERR_UNKNOWN_SOCKET} when the socket is open and was not added to the hub
   *
   * @example
   * app.wsPresence.set(socket, 'room/7', { typing: true })
   */
  set (socket: WebSocket, topic: string, state: unknown): void
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Who is there, in a topic or at all. */
    wsPresence: WsPresence
  }
}
