import type { WebSocket } from '@fastify/websocket'
import type { RawData } from 'ws'
import { EarlyFrames } from './early-frames.js'

/** Hands frames to the listeners. */
interface Recipient {
  deliver (data: RawData, isBinary: boolean): void
}

/**
 * An asynchronous handler that has not returned. It may listen for `message` late, or only now and then
 * (`await once(socket, 'message')`). Frames that arrive while it does not listen wait.
 */
export class PendingHandler {
  readonly #socket: WebSocket
  readonly #recipient: Recipient
  readonly #newQueue: () => EarlyFrames
  /** Number of listeners that were there before the handler was called, of an instrumentation for example. */
  readonly #others: number
  readonly #onNewListener = (event: string | symbol): void => {
    // Node emits this before it adds the listener.
    if (event === 'message') queueMicrotask(() => this.#flush())
  }

  #early: EarlyFrames | null = null
  #settled = false
  #paused = false

  constructor (socket: WebSocket, recipient: Recipient, newQueue: () => EarlyFrames, others: number) {
    this.#socket = socket
    this.#recipient = recipient
    this.#newQueue = newQueue
    this.#others = others
    socket.on('newListener', this.#onNewListener)
  }

  /** Delivers or keeps a frame; returns `false` if the queue is full. */
  receive (data: RawData, isBinary: boolean): boolean {
    if (this.#early === null && this.#isHeard()) {
      this.#recipient.deliver(data, isBinary)
      return true
    }
    this.#early ??= this.#newQueue()
    if (!this.#early.push(data, isBinary)) return false
    this.#flush()
    return true
  }

  /**
   * Counts a message that is not complete. One that does not fit stays in the network from here on, until somebody listens:
   * it may be as long as `maxPayload`, and is no fault of the client's.
   */
  growing (bytes: number): void {
    if (this.#isHeard() || bytes <= (this.#early ?? this.#newQueue()).room) return
    this.#paused = true
    this.#socket.pause()
  }

  /** Delivers what waits: the handler has returned. */
  settle (): void {
    this.#settled = true
    this.#socket.off('newListener', this.#onNewListener)
    this.#flush()
  }

  /** Drops what waits: the connection ends. */
  discard (): void {
    this.#early = null
    this.#socket.off('newListener', this.#onNewListener)
    // Unread, the peer's answer to the close frame would never arrive.
    this.#resume()
  }

  /** Delivers what waits, as long as somebody listens or no more listeners are to be expected. */
  #flush (): void {
    while (this.#early !== null && this.#socket.readyState === this.#socket.OPEN && (this.#settled || this.#isHeard())) {
      const frame = this.#early.shift(this.#socket.binaryType)
      if (frame === undefined) this.#early = null
      else this.#recipient.deliver(frame.data, frame.isBinary)
    }
    if (this.#early === null) this.#resume()
  }

  #resume (): void {
    if (!this.#paused) return
    this.#paused = false
    this.#socket.resume()
  }

  #isHeard (): boolean {
    return this.#socket.listenerCount('message') > this.#others
  }
}
