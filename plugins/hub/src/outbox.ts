import type { Connection } from './connection.js'

/**
 * Connections that have something to write at the end of this turn of the event loop. Whatever a turn brings, be it
 * ten publications or a chunk with a hundred requests, a connection is written to once.
 */
export class Outbox {
  #waiting: Connection[] = []
  readonly #flush = (): void => {
    const waiting = this.#waiting
    this.#waiting = []
    for (const connection of waiting) connection.endTurn()
  }

  add (connection: Connection): void {
    if (this.#waiting.push(connection) === 1) setImmediate(this.#flush)
  }
}
