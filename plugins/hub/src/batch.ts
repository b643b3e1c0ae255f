/**
 * Most bytes that are joined into one buffer. Beyond that, joining saves nothing more, and the copies would cost memory
 * where connections get different messages.
 */
export const MAX_JOINED_BYTES = 16 * 1024

/** What a batch is made of. */
export interface BatchItem {
  /** Bytes that go over the wire as they are. */
  readonly bytes: Buffer
}

/**
 * Frames that go out together, in order. A batch never changes: `append` returns the next batch, and returns the same
 * one to all who append the same frame. So all connections with the same messages share one batch and its
 * joined buffers, and a connection needs no list of its own.
 */
export class Batch {
  /** Bytes of all frames. */
  readonly length: number
  readonly #frame: BatchItem
  readonly #previous: Batch | null
  /** Bytes of the last of {@link buffers}. */
  readonly #last: number
  #next: Batch | null = null
  #buffers: readonly Buffer[] | null = null

  constructor (frame: BatchItem, previous: Batch | null = null) {
    const bytes = frame.bytes.length
    const joined = previous === null ? bytes : previous.#last + bytes
    this.length = previous === null ? bytes : previous.length + bytes
    this.#last = joined > MAX_JOINED_BYTES ? bytes : joined
    this.#frame = frame
    this.#previous = previous
  }

  /** This batch with one more frame. */
  append (frame: BatchItem): Batch {
    // A frame goes to all its receivers in one go, so remembering the last one is enough.
    if (this.#next === null || this.#next.#frame !== frame) this.#next = new Batch(frame, this)
    return this.#next
  }

  /** All frames, in as few buffers as pays. */
  get buffers (): readonly Buffer[] {
    this.#buffers ??= this.#join()
    return this.#buffers
  }

  #join (): Buffer[] {
    if (this.#previous === null) return [this.#frame.bytes]
    const buffers: Buffer[] = []
    // From the end: a batch knows only what came before it.
    for (let batch: Batch | null = this; batch !== null;) {
      const { buffer, before } = batch.#lastBuffer()
      buffers.push(buffer)
      batch = before
    }
    return buffers.reverse()
  }

  #lastBuffer (): { buffer: Buffer, before: Batch | null } {
    let end = this.#last
    if (end === this.#frame.bytes.length) return { buffer: this.#frame.bytes, before: this.#previous }
    const buffer = Buffer.allocUnsafe(end)
    let batch: Batch | null = this
    while (end > 0) {
      const { bytes } = (batch as Batch).#frame
      end -= bytes.length
      buffer.set(bytes, end)
      batch = (batch as Batch).#previous
    }
    return { buffer, before: batch }
  }
}
