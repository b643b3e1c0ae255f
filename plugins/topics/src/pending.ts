import type { TopicFrame, TopicPlace } from '@fastify-airlock/core'

/** Messages that are kept at most, and their bytes: the store has them as well. */
const MAX_MESSAGES = 1_000
const MAX_BYTES = 1024 * 1024

/** Messages of one epoch that came before those that they follow. */
export class Pending {
  #epoch = ''
  readonly #frames = new Map<number, TopicFrame>()
  #bytes = 0

  get epoch (): string {
    return this.#epoch
  }

  get size (): number {
    return this.#frames.size
  }

  /** Keeps a message, if there is room. Those of another epoch are dropped. */
  add ({ epoch, offset }: TopicPlace, frame: TopicFrame): void {
    if (epoch !== this.#epoch) {
      this.clear()
      this.#epoch = epoch
    }
    if (this.#frames.has(offset) || this.#frames.size >= MAX_MESSAGES || this.#bytes + frame.bytes.length > MAX_BYTES) return
    this.#frames.set(offset, frame)
    this.#bytes += frame.bytes.length
  }

  /** Takes a message out. */
  take (epoch: string, offset: number): TopicFrame | undefined {
    if (epoch !== this.#epoch) return undefined
    const frame = this.#frames.get(offset)
    if (frame === undefined) return undefined
    this.#frames.delete(offset)
    this.#bytes -= frame.bytes.length
    return frame
  }

  /** Drops what is not after a position, and returns the offset of the first that is; `undefined` if there is none. */
  firstAfter (epoch: string, offset: number): number | undefined {
    let first: number | undefined
    for (const at of [...this.#frames.keys()]) {
      if (epoch === this.#epoch && at <= offset) this.take(epoch, at)
      else if (first === undefined || at < first) first = at
    }
    return first
  }

  clear (): void {
    this.#frames.clear()
    this.#bytes = 0
  }
}
