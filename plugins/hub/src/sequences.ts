import { LruMap } from 'toad-cache'

/** Pairs of a node and a channel whose last number is kept. */
const MAX_PAIRS = 10_000

/**
 * Lets each message of another node pass once. A bus may deliver one several times: for a topic and for a pattern that
 * matches it, or again after a lost connection. Numbers are compared within one channel only, since a Redis Cluster
 * keeps the order of a channel but not the order between channels.
 */
export class Sequences {
  readonly #last = new LruMap<number>(MAX_PAIRS)

  /**
   * Records the number of a message.
   *
   * @returns `false` for a message that is not newer than all others of this node and channel: drop it
   */
  advance (node: string, channel: string, sequence: number): boolean {
    const key = `${node} ${channel}`
    if (sequence <= (this.#last.get(key) ?? -Infinity)) return false
    this.#last.set(key, sequence)
    return true
  }
}
