import { SLICE_MS } from '@fastify-airlock/core'
import type { Connection } from './connection.js'

/** So many connections of one turn are written to before it is another turn's time. */
const SHARE = 16

/** Longest slice, in milliseconds. */
const MAX_SLICE_MS = 4 * SLICE_MS

/** Those of one turn of the event loop that have something to write. */
interface Turn {
  readonly connections: Connection[]
  /** How many of them have been written to. */
  done: number
}

/**
 * Connections that have something to write at the end of this turn of the event loop. Whatever a turn brings, be it
 * ten publications or a chunk with a hundred requests, a connection is written to once.
 *
 * A write takes some ten microseconds, so those to many thousands are made in slices, and the event loop gets its turn
 * in between. What later turns bring has its share of each slice: an answer to one does not wait for a message to all.
 */
export class Outbox {
  readonly #now: () => number
  #added: Connection[] = []
  readonly #turns: Turn[] = []
  #scheduled = false
  /** When the last slice ended. */
  #ended = 0

  /** @param now a monotonic clock, in milliseconds */
  constructor (now = (): number => performance.now()) {
    this.#now = now
  }

  /** Once for each connection, until its `endTurn` is called. */
  add (connection: Connection): void {
    this.#added.push(connection)
    this.#schedule()
  }

  /** Whether something waits longer than to the end of its turn. */
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
    // Where everything else takes longer than a slice, so may this: or more would come in than could ever go out.
    const share = this.#turns.length === 0 ? 0 : Math.min(start - this.#ended, MAX_SLICE_MS)
    const end = start + Math.max(share, SLICE_MS)
    if (this.#added.length > 0) {
      this.#turns.unshift({ connections: this.#added, done: 0 })
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

/** @returns whether this was the last of it */
function advance (turn: Turn): boolean {
  const { connections } = turn
  const end = Math.min(turn.done + SHARE, connections.length)
  while (turn.done < end) (connections[turn.done++] as Connection).endTurn()
  return end === connections.length
}
