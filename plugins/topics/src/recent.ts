import type { TopicFrame } from '@fastify-airlock/core'

/** Messages that are remembered at most, and their bytes: the store has them as well. */
const MAX_MESSAGES = 1_000
const MAX_BYTES = 1024 * 1024

/** The newest messages of a topic, for those who are still catching up: one of them may take its time. */
export class Recent {
  #messages: Array<[offset: number, frame: TopicFrame]> = []
  #bytes = 0

  /** Remembers a message, which follows the one before, and forgets the oldest where there is too much. */
  add (offset: number, frame: TopicFrame): void {
    this.#messages.push([offset, frame])
    this.#bytes += frame.bytes.length
    while (this.#messages.length > MAX_MESSAGES || this.#bytes > MAX_BYTES) this.#bytes -= (this.#messages.shift() as [number, TopicFrame])[1].bytes.length
  }

  /** The messages after an offset; `null` where not all of them are remembered. */
  after (offset: number): TopicFrame[] | null {
    const [first] = this.#messages
    if (first === undefined || first[0] > offset + 1) return null
    return this.#messages.filter(([at]) => at > offset).map(([, frame]) => frame)
  }

  clear (): void {
    this.#messages = []
    this.#bytes = 0
  }
}
