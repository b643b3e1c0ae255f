import type { Bus } from './bus.js'
import type { Connection } from './connection.js'
import { WSA_HUB_ERR_INVALID_TOPIC, WSA_HUB_ERR_TOO_MANY_TOPICS } from './errors.js'
import { channels } from './events.js'
import { add, each, type Few, has, remove, size } from './few.js'
import { isTopic } from './limits.js'
import { type Topic, Topics } from './topics.js'

/** Which connection has joined which topics. The bus is subscribed to what somebody here has joined, and to nothing else. */
export class Memberships {
  readonly #topics = new Topics<Connection>()
  readonly #limit: number
  readonly #bus: Bus | null

  /** @param limit topics and patterns of one connection */
  constructor (limit: number, bus: Bus | null) {
    this.#limit = limit
    this.#bus = bus
  }

  /**
   * @throws `WSA_HUB_ERR_INVALID_TOPIC`
   * @throws `WSA_HUB_ERR_TOO_MANY_TOPICS`
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
    this.#withdraw(connection, topic)
    return true
  }

  leaveAll (connection: Connection): void {
    for (const topic of each(connection.topics)) this.#withdraw(connection, topic)
  }

  isFull ({ topics }: Connection): boolean {
    return size(topics) >= this.#limit
  }

  /** Whom a publication reaches, each once. */
  members (name: string): Few<Connection> {
    return this.#topics.members(name)
  }

  names (wildcard: boolean): string[] {
    return this.#topics.names(wildcard)
  }

  #withdraw (connection: Connection, topic: Topic<Connection>): void {
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
