import { escapeTopic } from './bus-message.js'

/** The topics on the bus, each for one purpose. All begin with the prefix of the hubs that belong together. */
export class BusChannels {
  /** Beats of all nodes. */
  readonly beat: string
  /** Messages to this node alone. */
  readonly own: string
  /** Messages to all connections. */
  readonly broadcast: string
  /** Orders. */
  readonly disconnect: string
  /** Nodes of an earlier version that are back. */
  readonly return: string
  /**
   * Those that every node listens to. Its own comes first: the others answer there once they have heard its beat.
   */
  readonly common: ReadonlySet<string>
  readonly #prefix: string

  /** @param node the id of this node */
  constructor (prefix: string, node: string) {
    this.#prefix = prefix
    this.beat = `${prefix}/beat`
    this.own = this.ofNode(node)
    this.broadcast = `${prefix}/broadcast`
    this.disconnect = `${prefix}/disconnect`
    this.return = `${prefix}/return`
    this.common = new Set([this.own, this.beat, this.broadcast, this.disconnect, this.return])
  }

  /** A channel without the prefix. */
  kindOf (channel: string): string {
    return channel.slice(this.#prefix.length + 1)
  }

  /** Publications to a topic, or to the topics that match a pattern. */
  ofTopic (topic: string, wildcard = false): string {
    return `${this.#prefix}/topic/${escapeTopic(topic, wildcard)}`
  }

  /** What plugins send to a topic. */
  ofPlugin (topic: string): string {
    return `${this.#prefix}/log/${escapeTopic(topic)}`
  }

  /** Cluster messages with a name. */
  ofName (name: string): string {
    return `${this.#prefix}/tell/${escapeTopic(name)}`
  }

  /** Messages to one node. */
  ofNode (node: string): string {
    return `${this.#prefix}/node/${node}`
  }
}
