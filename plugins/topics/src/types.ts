import type { TopicsOffer } from '@fastify-airlock/protocol'
import type { WebSocket } from 'ws'
import type { TopicIdentity } from './identity.js'
import type { HistoryOptions } from './options.js'
import type { TopicPosition } from './store.js'

/** Options of {@link WsTopics.publish}. */
export interface PublishOptions {
  /**
   * What is kept of the topic, for clients that have missed something; `false` for nothing of this publication.
   * @default what the plugin's option `topics` says of the topic
   */
  history?: HistoryOptions | false
  /**
   * Names the publication. Another call with the same id and topic within `publishWindow`, on any node, publishes nothing and
   * returns the position of the first. At most 256 characters.
   * @default undefined
   */
  id?: string
  /**
   * A connection to leave out. Only for a publication that is not kept.
   * @default undefined
   */
  except?: WebSocket
  /**
   * Leaves out every subscriber for which it does not return `true`. Only for a publication that is not kept and stays on
   * this node.
   * @default undefined
   */
  filter?: (identity: TopicIdentity, socket: WebSocket) => boolean
  /**
   * Keeps a publication that has no history on this node.
   * @default false
   */
  local?: boolean
}

/** What has become of a publication. */
export interface Published {
  /** Where it stands in its topic; not there where it is not kept. */
  position?: TopicPosition
}

/** What the plugin has done since the start. */
export interface TopicsStats {
  /** Subscriptions of this node's connections now. */
  subscriptions: number
  /** Topics of this node with a subscriber now. */
  topics: number
  /** Publications of this node, and those of its clients. */
  published: number
  /** Subscriptions that a client has taken up again: those that missed nothing, and those that were told of a gap. */
  resumed: { recovered: number, gap: number }
  /** Gaps that subscribers were told of while they were connected: one for each topic. */
  gaps: number
  /** Fetches from the store of what the bus has not brought. */
  fetches: number
  /** What clients were refused, by code. */
  refused: { forbidden: number, invalid: number, too_many: number, rate: number, unavailable: number, conflict: number }
}

/** Topics that clients subscribe to. */
export interface WsTopics {
  /** What a client that asks for the extension is told. */
  readonly offer: TopicsOffer

  /** Counters since the start: one live object, for `/metrics`. */
  readonly stats: Readonly<TopicsStats>

  /**
   * Turns the extension on for a connection of the hub. The handshake does this right after `auth_ok`, for clients that have
   * asked for it. Call it yourself on a route without a first frame, whose clients have it turned on as well.
   *
   * @throws {@link WSA_TOPICS_ERR_UNKNOWN_SOCKET} when the socket is open and was not added to the hub
   */
  accept (socket: WebSocket): void

  /**
   * Publishes to all subscribers of a topic, on every node. With a history, the promise resolves when the store has it: then
   * the publication reaches every subscriber that comes back within the history, whatever happens to this node. Without
   * one it resolves when the publication is on its way, to those who are there.
   *
   * @param topic at most 256 bytes and 64 levels; wildcards are plain characters
   * @param data anything with a JSON form
   * @throws {@link WSA_TOPICS_ERR_INVALID_TOPIC} when the topic is empty or too long
   * @throws {@link WSA_TOPICS_ERR_INVALID_DATA} when the data has no JSON form
   * @throws `WSA_HUB_ERR_DATA_SIZE` when the message is larger than the hub's `maxBufferedBytes`
   * @throws {@link WSA_TOPICS_ERR_INVALID_PUBLICATION} when an option is wrong
   * @throws {@link WSA_TOPICS_ERR_FILTER} when a publication with a filter would be kept, or go to other nodes
   * @throws {@link WSA_TOPICS_ERR_CONFLICT} when another publication to this topic has the id
   * @throws {@link WSA_TOPICS_ERR_UNAVAILABLE} when the store does not answer
   *
   * @example
   * await app.wsTopics.publish('kiosk/7', { type: 'reset' }, { history: { size: 10, ttl: 3_600_000 } })
   */
  publish (topic: string, data: unknown, options?: PublishOptions): Promise<Published>

  /**
   * The position of a topic in the store, for snapshots (read it before the data) and for clients that begin there. Where the options
   * say that the topic is kept, there is one even before the first publication; elsewhere it is `null` where nothing is known.
   *
   * @throws {@link WSA_TOPICS_ERR_INVALID_TOPIC} when the topic is empty or too long
   * @throws {@link WSA_TOPICS_ERR_UNAVAILABLE} when the store does not answer
   */
  position (topic: string): Promise<TopicPosition | null>
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Topics that clients subscribe to. */
    wsTopics: WsTopics
  }
}
