import { fits, type Match, type Message } from './match.js'

interface Waiting {
  match: Match | undefined
  resolve (message: Message): void
  reject (error: unknown): void
}

/** What has come, and who waits for more. */
export class Inbox {
  /** Messages that nobody has taken, oldest first. */
  readonly messages: Message[] = []
  readonly #waiting = new Set<Waiting>()

  /** Takes the first message that fits out. In an array, since a message may be `null`. */
  find (match: Match | undefined): [message: Message] | null {
    const at = this.messages.findIndex(message => fits(message, match))
    return at < 0 ? null : [this.messages.splice(at, 1)[0]]
  }

  /**
   * Waits for a message that fits.
   *
   * @param reject called when the connection has closed, or `match` has thrown
   * @returns ends the wait
   */
  wait (match: Match | undefined, resolve: (message: Message) => void, reject: (error: unknown) => void): () => void {
    const waiting = { match, resolve, reject }
    this.#waiting.add(waiting)
    return () => { this.#waiting.delete(waiting) }
  }

  /** Hands a message to the first who waits for it, or keeps it. */
  put (message: Message): void {
    for (const waiting of this.#waiting) {
      try {
        if (!fits(message, waiting.match)) continue
      } catch (error) {
        this.#waiting.delete(waiting)
        waiting.reject(error)
        continue
      }
      this.#waiting.delete(waiting)
      return waiting.resolve(message)
    }
    this.messages.push(message)
  }

  /** Nothing more comes. */
  end (error: () => Error): void {
    for (const { reject } of this.#waiting) reject(error())
    this.#waiting.clear()
  }
}
