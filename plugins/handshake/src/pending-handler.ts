import type { WebSocket } from '@fastify/websocket'
import type { RawData } from 'ws'
import { EarlyFrames } from './early-frames.js'

/** Where the frames go in the end. */
export interface Recipient {
  /** Whether frames are still worth delivering. */
  isAlive (): boolean
  /** Hands a frame to the listeners. */
  deliver (data: RawData, isBinary: boolean): void
  /** Too much waits. */
  overflow (): void
}

/**
 * An asynchronous handler that has not returned: it may listen for `message` late, or now and then only
 * (`await once(socket, 'message')`). What comes while it does not listen waits.
 */
export class PendingHandler {
  readonly #socket: WebSocket
  readonly #recipient: Recipient
  readonly #newQueue: () => EarlyFrames
  /** Listeners that were there before the handler was called, an instrumentation's say. */
  readonly #others: number
  readonly #onNewListener = (event: string | symbol): void => {
    // Node tells it before the listener is there.
    if (event === 'message') queueMicrotask(() => this.#flush())
  }

  #early: EarlyFrames | null = null
  #settled = false

  constructor (socket: WebSocket, recipient: Recipient, newQueue: () => EarlyFrames, others: number) {
    this.#socket = socket
    this.#recipient = recipient
    this.#newQueue = newQueue
    this.#others = others
    socket.on('newListener', this.#onNewListener)
  }

  /** Delivers a frame or keeps it. */
  receive (data: RawData, isBinary: boolean): void {
    if (this.#early === null && this.#isHeard()) return this.#recipient.deliver(data, isBinary)
    this.#early ??= this.#newQueue()
    if (!this.#early.push(data, isBinary)) return this.#recipient.overflow()
    this.#flush()
  }

  /** The handler has returned, or does not matter any more. */
  settle (): void {
    this.#settled = true
    this.#socket.off('newListener', this.#onNewListener)
    this.#flush()
  }

  /** Delivers what waits, as long as somebody listens or nobody is to be expected any more. */
  #flush (): void {
    while (this.#early !== null && this.#recipient.isAlive() && (this.#settled || this.#isHeard())) {
      const frame = this.#early.shift(this.#socket.binaryType)
      if (frame === undefined) this.#early = null
      else this.#recipient.deliver(frame.data, frame.isBinary)
    }
  }

  #isHeard (): boolean {
    return this.#socket.listenerCount('message') > this.#others
  }
}
