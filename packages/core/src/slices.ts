/** How long one slice of a long work takes, in milliseconds: as long as everybody else may be kept waiting for it. */
export const SLICE_MS = 5

/** A look at the clock costs more than many a step. */
const STEPS_PER_LOOK = 16

/** The time that a long work has before the event loop gets its turn. */
export class Slice {
  readonly #end = performance.now() + SLICE_MS
  #steps = 0

  /** Counts a step; whether it belongs into the next slice. */
  isOver (): boolean {
    return ++this.#steps % STEPS_PER_LOOK === 0 && performance.now() >= this.#end
  }
}

/**
 * Acts on every item, in order. The first slice is done before this returns; where there is more, the event loop gets
 * its turn every few milliseconds.
 *
 * @example
 * await inSlices(sockets, socket => socket.close(1001))
 */
export async function inSlices<T> (items: Iterable<T>, act: (item: T) => void): Promise<void> {
  let slice = new Slice()
  for (const item of items) {
    if (slice.isOver()) {
      await new Promise(resolve => setImmediate(resolve))
      slice = new Slice()
    }
    act(item)
  }
}
