/** What is remembered of so many pairs of a node and a topic. */
const MAX_SEEN = 10_000

/**
 * Lets each message of another node pass once. A bus may bring one several times: for a topic and for a pattern that
 * matches it, or sent again after a lost connection. Numbers are compared within one topic only, since a Redis Cluster
 * keeps the order of a channel but not that among channels.
 */
export class Seen {
  readonly #last = new Map<string, number>()

  /** Whether the message is newer than all others of this node and topic. */
  isNew (node: string, topic: string, sequence: number): boolean {
    const key = `${node} ${topic}`
    const last = this.#last.get(key)
    if (last !== undefined) {
      if (sequence <= last) return false
      // Back to the end of the queue of those to be forgotten.
      this.#last.delete(key)
    } else if (this.#last.size === MAX_SEEN) {
      this.#last.delete(this.#last.keys().next().value as string)
    }
    this.#last.set(key, sequence)
    return true
  }
}
