/** Where a publication stands in its topic. */
export interface TopicPosition {
  /** Names one life of a topic's log, in at most 64 characters. It changes when the log starts anew. */
  epoch: string
  /** Counts the publications of an epoch: each has one more than the one before, and the first has 1. */
  offset: number
}

/** A publication that is kept. */
export interface StoredMessage {
  /** Its place in the epoch of the log. */
  offset: number
  /** JSON text, as it was appended. */
  data: string
}

/** How a publication is kept. */
export interface AppendOptions {
  /** Publications of the topic that are kept at most, this one included. */
  size: number
  /** How long this one is kept, in milliseconds. */
  ttl: number
  /** The publication's id, if it may be sent again. */
  id?: PublicationId | undefined
}

/** What makes a publication the same one when it is sent again. */
export interface PublicationId {
  /** At most 64 characters of base64url; ids of other topics are others. */
  key: string
  /** Tells what was published. Another one with the same key is refused. At most 64 characters of base64url. */
  digest: string
  /** How long the id is remembered, in milliseconds. */
  window: number
}

/** What has become of an id, or of a publication with one. */
export type Claimed = 'new' | 'repeated' | 'conflict'

/** What has become of a publication. */
export interface Appended {
  /** Where it stands: where it stood the first time, if it was sent again. The offset is 0 for one that was only claimed. */
  position: TopicPosition
  /** `repeated` if it was there already, and `conflict` if another one with its id was. Nothing was appended then. */
  claimed: Claimed
}

/** What is kept of a topic after a position. */
export interface TopicRead {
  /** The last publication of the topic; `null` where nothing is known of it. */
  position: TopicPosition | null
  /** The publications after the position that was asked for, oldest first, without a gap between them. */
  messages: StoredMessage[]
  /** Whether nothing is missing between that position and the first of them, or the last publication of the topic. */
  complete: boolean
}

/** The logger that a store may use. */
export interface TopicStoreLog {
  warn (details: object, message: string): void
}

/**
 * Keeps what is published to topics. Each method is one atomic step: of two nodes that append at the same time, one comes
 * first, and both see the same order. A method may throw or reject when the store cannot be asked.
 */
export interface TopicStore {
  /** Whether it is this node's own: no other node can have appended anything. */
  readonly local?: boolean
  /** Called once, before the server is ready. An error is logged, and the server starts all the same. */
  ready? (log: TopicStoreLog): Promise<void> | void
  /**
   * Appends a publication, unless its id is known. Older publications are dropped beyond `size`.
   *
   * @param topic any non-empty text of at most 256 bytes
   * @param data JSON text
   */
  append (topic: string, data: string, options: AppendOptions): Promise<Appended> | Appended
  /** Remembers the id of a publication that is not kept. */
  claim (topic: string, id: PublicationId): Promise<Claimed> | Claimed
  /**
   * Returns the position of a topic, and begins its log if there is none: its offset is 0 then.
   *
   * @param ttl how long its publications will be kept, in milliseconds. The position is known for much longer
   */
  open (topic: string, ttl: number): Promise<TopicPosition> | TopicPosition
  /**
   * Reads what was published after a position. What is beyond its `ttl`, or beyond the `size` of the last publication, is not
   * returned.
   *
   * @param since `null` to learn the position alone: there are no messages then
   * @param limit most messages to return: the oldest of them
   */
  read (topic: string, since: TopicPosition | null, limit: number): Promise<TopicRead> | TopicRead
  /** The positions of many topics, in their order; `null` where nothing is known of one. */
  heads (topics: readonly string[]): Promise<Array<TopicPosition | null>> | Array<TopicPosition | null>
  /** Called when the server closes. It may be called twice; every other method rejects from then on. */
  close (): Promise<void> | void
}
