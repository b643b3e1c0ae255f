import { SLICE_MS } from '@fastify-airlock/core'

/** Connections of one turn that are written to before another turn has its share. */
const SHARE = 16

/** Longest slice, in milliseconds. */
const MAX_SLICE_MS = 4 * SLICE_MS

/** What an outbox holds. */
export interface Writer {
  /** Writes what the turn has brought. */
  endTurn (): void
}

/** The writers of one turn of the event loop. */
interface Turn {
  readonly writers: Writer[]
  /** How many of them have written. */
  done: number
}

/**
 * Connections that have something to write at the end of this turn of the event loop. Whatever a turn brings, be it
 * ten publications or a chunk with a hundred requests, a connection is written to once.
 *
 * A write takes some ten microseconds. Writes to many thousands are made in slices, and the event loop does other work
 * between them. Later turns get their share of each slice: an answer to one does not wait for a message to all.
 */
export class Outbox {
  readonly #now: () => number
  #added: Writer[] = []
  readonly #turns: Turn[] = []
  #scheduled = false
  /** When the last slice ended. */
  #ended = 0

  /** @param now a monotonic clock, in milliseconds */
  constructor (now = (): number => performance.now()) {
    this.#now = now
  }

  /** Once for each writer, until its `endTurn` is called. */
  add (writer: Writer): void {
    this.#added.push(writer)
    this.#schedule()
  }

  /** Whether writes are waiting beyond the end of their turn. */
  get isBehind (): boolean {
    return this.#turns.length > 0
  }

  #schedule (): void {
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(this.#flush)
  }

  readonly #flush = (): void => {
    this.#scheduled = false
    const start = this.#now()
    // If other work took longer than a slice, writing may too: otherwise more would come in than goes out.
    const share = this.#turns.length === 0 ? 0 : Math.min(start - this.#ended, MAX_SLICE_MS)
    const end = start + Math.max(share, SLICE_MS)
    if (this.#added.length > 0) {
      this.#turns.unshift({ writers: this.#added, done: 0 })
      this.#added = []
    }
    do {
      const turn = this.#turns.shift() as Turn
      if (!advance(turn)) this.#turns.push(turn)
    } while (this.#turns.length > 0 && this.#now() < end)
    if (this.#turns.length === 0) return
    this.#ended = this.#now()
    this.#schedule()
  }
}

/** @returns whether all writers of the turn have written */
function advance (turn: Turn): boolean {
  const { writers } = turn
  const end = Math.min(turn.done + SHARE, writers.length)
  while (turn.done < end) (writers[turn.done++] as Writer).endTurn()
  return end === writers.length
}
