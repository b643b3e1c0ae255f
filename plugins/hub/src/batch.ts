import type { Frame } from './frame.js'

/**
 * Frames that go out together, in order. A batch never changes: appending gives the next one, and gives the same next
 * one to everybody who appends the same frame. So all connections with the same messages share one batch and one
 * joined buffer, and a connection needs no list of its own.
 */
export class Batch {
  /** Bytes of all frames. */
  readonly length: number
  readonly #frame: Frame
  readonly #previous: Batch | null
  #next: Batch | null = null
  #joined: Buffer | null = null

  constructor (frame: Frame, previous: Batch | null = null) {
    this.length = (previous?.length ?? 0) + frame.bytes.length
    this.#frame = frame
    this.#previous = previous
  }

  /** This batch with one more frame. */
  append (frame: Frame): Batch {
    // A frame is handed to all its receivers in one go, so remembering the last one is remembering enough.
    if (this.#next === null || this.#next.#frame !== frame) this.#next = new Batch(frame, this)
    return this.#next
  }

  /** All frames in one buffer. */
  join (): Buffer {
    if (this.#previous === null) return this.#frame.bytes
    this.#joined ??= this.#concatenate()
    return this.#joined
  }

  #concatenate (): Buffer {
    const joined = Buffer.allocUnsafe(this.length)
    let end = this.length
    for (let batch: Batch | null = this; batch !== null; batch = batch.#previous) {
      const { bytes } = batch.#frame
      end -= bytes.length
      joined.set(bytes, end)
    }
    return joined
  }
}
