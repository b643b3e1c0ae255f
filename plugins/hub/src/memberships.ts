import type { BusClient } from './bus-client.js'
import { isTopic } from './checks.js'
import { add, type CompactSet, each, has, remove, size } from './compact-set.js'
import type { Connection } from './connection.js'
import { WSA_HUB_ERR_INVALID_TOPIC, WSA_HUB_ERR_TOO_MANY_TOPICS } from './errors.js'
import { channels } from './events.js'
import { type Topic, Topics } from './topics.js'

/**
 * Knows which connection has joined which topics, and keeps the bus subscribed to exactly the topics that connections of
 * this node have joined.
 */
export class Memberships {
  readonly #topics = new Topics<Connection>()
  readonly #limit: number
  readonly #bus: BusClient | null

  /** @param limit topics and patterns of one connection */
  constructor (limit: number, bus: BusClient | null) {
    this.#limit = limit
    this.#bus = bus
  }

  /**
   * @throws {@link WSA_HUB_ERR_INVALID_TOPIC} when the name cannot be joined
   * @throws {@link WSA_HUB_ERR_TOO_MANY_TOPICS} when the connection is full
   */
  join (connection: Connection, name: string, wildcard: boolean): void {
    if (!isTopic(name, wildcard)) throw new WSA_HUB_ERR_INVALID_TOPIC()
    let topic = this.#topics.get(name, wildcard)
    if (topic !== undefined && has(topic.members, connection)) return
    if (this.isFull(connection)) throw new WSA_HUB_ERR_TOO_MANY_TOPICS()
    if (topic === undefined) {
      topic = this.#topics.create(name, wildcard)
      this.#bus?.subscribe(name, wildcard)
    }
    topic.members = add(topic.members, connection)
    connection.topics = add(connection.topics, topic)
    this.#announce('join', connection, topic)
  }

  /** @returns whether the connection had joined */
  leave (connection: Connection, name: string, wildcard: boolean): boolean {
    const topic = this.#topics.get(name, wildcard)
    if (topic === undefined || !has(topic.members, connection)) return false
    connection.topics = remove(connection.topics, topic)
    this.#removeMember(connection, topic)
    return true
  }

  leaveAll (connection: Connection): void {
    for (const topic of each(connection.topics)) this.#removeMember(connection, topic)
  }

  /** Whether the connection has joined as many topics as it may. */
  isFull ({ topics }: Connection): boolean {
    return size(topics) >= this.#limit
  }

  /** The connections that a publication reaches, each once. */
  members (name: string): CompactSet<Connection> {
    return this.#topics.members(name)
  }

  names (wildcard: boolean): string[] {
    return this.#topics.names(wildcard)
  }

  #removeMember (connection: Connection, topic: Topic<Connection>): void {
    topic.members = remove(topic.members, connection)
    if (topic.members === null) {
      this.#topics.delete(topic)
      this.#bus?.unsubscribe(topic.name, topic.wildcard)
    }
    this.#announce('leave', connection, topic)
  }

  #announce (event: 'join' | 'leave', { socket, subject }: Connection, { name, wildcard }: Topic<Connection>): void {
    if (channels[event].hasSubscribers) channels[event].publish({ socket, subject, topic: name, wildcard })
  }
}
