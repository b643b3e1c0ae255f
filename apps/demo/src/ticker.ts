/** The part of a WebSocket that the ticker needs. */
export interface Tickable {
  send (data: string): void
  once (event: 'close', listener: () => void): unknown
}

/**
 * Sends each socket its own count, from 1 upward, until it closes. One interval serves all sockets, and runs only while
 * there are any.
 */
export class Ticker {
  readonly #counts = new Map<Tickable, number>()
  readonly #period: number
  #timer: NodeJS.Timeout | undefined

  /** @param period in milliseconds */
  constructor (period: number) {
    this.#period = period
  }

  /** Number of sockets that get ticks. */
  get size (): number {
    return this.#counts.size
  }

  /** Starts counting for an open socket. */
  add (socket: Tickable): void {
    this.#counts.set(socket, 0)
    this.#timer ??= setInterval(() => this.#tick(), this.#period)
    socket.once('close', () => {
      this.#counts.delete(socket)
      if (this.#counts.size > 0) return
      clearInterval(this.#timer)
      this.#timer = undefined
    })
  }

  #tick (): void {
    for (const [socket, count] of this.#counts) {
      this.#counts.set(socket, count + 1)
      socket.send(`{"type":"tick","n":${count + 1}}`)
    }
  }
}
