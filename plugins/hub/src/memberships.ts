import { auditEviction, auditJoin } from './audit.js'
import type { BusClient } from './bus-client.js'
import { isTopic } from './checks.js'
import { add, type CompactSet, each, has, remove, size } from './compact-set.js'
import type { Connection } from './connection.js'
import { WSA_HUB_ERR_INVALID_TOPIC, WSA_HUB_ERR_TOO_MANY_TOPICS } from './errors.js'
import { channels, type HubOwner, ofHub, type TopicLeftReason } from './events.js'
import { type Topic, Topics } from './topics.js'

/** Settings of {@link Memberships}. */
export interface MembershipsSettings {
  owner: HubOwner
  /** Topics and patterns of one connection. */
  limit: number
  bus: Pick<BusClient, 'subscribe' | 'unsubscribe'> | null
  /** Called with each topic that a connection has joined. */
  onJoin: (connection: Connection, topic: Topic<Connection>) => void
  /** Called with each topic that a connection has left, for whatever reason. */
  onLeave: (connection: Connection, topic: Topic<Connection>, reason?: TopicLeftReason) => void
}

/**
 * Knows which connection has joined which topics, and keeps the bus subscribed to exactly the topics that connections of
 * this node have joined.
 */
export class Memberships {
  readonly #topics = new Topics<Connection>()
  readonly #settings: MembershipsSettings
  #doubts = 0

  constructor (settings: MembershipsSettings) {
    this.#settings = settings
  }

  /** How many memberships are in doubt. */
  get doubts (): number {
    return this.#doubts
  }

  /**
   * @returns the topic; what it was in before it stays in
   * @throws {@link WSA_HUB_ERR_INVALID_TOPIC} when the name cannot be joined
   * @throws {@link WSA_HUB_ERR_TOO_MANY_TOPICS} when the connection is full
   */
  join (connection: Connection, name: string, wildcard: boolean): Topic<Connection> {
    if (!isTopic(name, wildcard)) throw new WSA_HUB_ERR_INVALID_TOPIC()
    let topic = this.#topics.get(name, wildcard)
    if (topic !== undefined && has(connection.topics, topic)) return topic
    if (this.isFull(connection)) throw new WSA_HUB_ERR_TOO_MANY_TOPICS()
    if (topic === undefined) {
      topic = this.#topics.create(name, wildcard)
      this.#settings.bus?.subscribe(name, wildcard)
    }
    topic.members = add(topic.members, connection)
    connection.topics = add(connection.topics, topic)
    const { socket, subject } = connection
    if (channels.join.hasSubscribers) channels.join.publish(ofHub({ socket, subject, topic: name, wildcard }, this.#settings.owner))
    auditJoin(this.#settings.owner, connection, name, wildcard)
    this.#settings.onJoin(connection, topic)
    return topic
  }

  /** The topic with exactly this name, if a connection has joined it. */
  find (name: string): Topic<Connection> | undefined {
    return this.#topics.get(name, false)
  }

  /** Whether a connection has joined a topic. */
  has (connection: Connection, name: string, wildcard: boolean): boolean {
    const topic = this.#topics.get(name, wildcard)
    return topic !== undefined && has(connection.topics, topic)
  }

  /** @returns whether the connection had joined */
  leave (connection: Connection, name: string, wildcard: boolean, reason?: TopicLeftReason): boolean {
    const topic = this.#topics.get(name, wildcard)
    if (topic === undefined || !has(connection.topics, topic)) return false
    connection.topics = remove(connection.topics, topic)
    this.#removeMember(connection, topic, reason)
    return true
  }

  leaveAll (connection: Connection): void {
    for (const topic of each(connection.topics)) this.#removeMember(connection, topic)
  }

  /** Delivers nothing of a topic to a member until {@link settle} or until it leaves. */
  doubt (connection: Connection, topic: Topic<Connection>): void {
    topic.members = remove(topic.members, connection)
    topic.doubted = add(topic.doubted, connection)
    this.#doubts++
  }

  /** Ends a {@link doubt}: the member stays. */
  settle (connection: Connection, topic: Topic<Connection>): void {
    this.#endDoubt(connection, topic)
    topic.members = add(topic.members, connection)
  }

  /** Whether the connection has joined as many topics as it may. */
  isFull ({ topics }: Connection): boolean {
    return size(topics) >= this.#settings.limit
  }

  /** The connections that a publication reaches now, each once. */
  members (name: string): CompactSet<Connection> {
    return this.#topics.members(name)
  }

  /** The topic and the patterns that a publication reaches. */
  reached (name: string): Array<Topic<Connection>> {
    return this.#topics.reached(name)
  }

  /** The connections that have joined the topic or a pattern that matches it, each once, in doubt or not. */
  joined (name: string): CompactSet<Connection> {
    if (this.#doubts === 0) return this.members(name)
    const all = new Set(each(this.members(name)))
    for (const { doubted } of this.reached(name)) for (const connection of each(doubted)) all.add(connection)
    return all
  }

  /** All topics and patterns. */
  all (): Iterable<Topic<Connection>> {
    return this.#topics.all()
  }

  names (wildcard: boolean): string[] {
    return this.#topics.names(wildcard)
  }

  #endDoubt (connection: Connection, topic: Topic<Connection>): void {
    topic.doubted = remove(topic.doubted, connection)
    this.#doubts--
  }

  #removeMember (connection: Connection, topic: Topic<Connection>, reason?: TopicLeftReason): void {
    const { name, wildcard } = topic
    if (has(topic.doubted, connection)) this.#endDoubt(connection, topic)
    else topic.members = remove(topic.members, connection)
    if (topic.members === null && topic.doubted === null) {
      this.#topics.delete(topic)
      this.#settings.bus?.unsubscribe(name, wildcard)
    }
    this.#settings.onLeave(connection, topic, reason)
    if (reason !== undefined) auditEviction(this.#settings.owner, connection, name, wildcard, reason)
    const { socket, subject } = connection
    if (!channels.leave.hasSubscribers) return
    channels.leave.publish(ofHub({ socket, subject, topic: name, wildcard, ...(reason !== undefined && { reason }) }, this.#settings.owner))
  }
}
