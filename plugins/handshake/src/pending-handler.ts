import { closingEvent, isHeard, type Sweep } from '@fastify-airlock/core'
import type { WebSocket } from '@fastify/websocket'
import type { RawData } from 'ws'
import type { EarlyFrames } from './early-frames.js'
import type { Deadline } from './expiry.js'

/** Hands frames to the listeners. */
interface Recipient {
  deliver (data: RawData, isBinary: boolean): void
  /** Frames have waited for too long. */
  unheard (): void
}

/** What the handlers of one route share. */
interface Waiting {
  readonly newQueue: () => EarlyFrames
  readonly sweep: Sweep<Deadline>
  readonly settings: { readonly listenTimeout: number }
}

/**
 * An asynchronous handler that has not returned. It may listen for `message` late, or only now and then
 * (`await once(socket, 'message')`). Frames that arrive while it does not listen wait. When their queue is full, the
 * socket is not read any further until there is room: the rest waits in the network and at the peer. What `ws` has read
 * by then, at most one chunk of 64 KiB and a message of `maxPayload`, comes all the same and is kept.
 */
export class PendingHandler implements Deadline {
  due = 0
  readonly #socket: WebSocket
  readonly #recipient: Recipient
  readonly #waiting: Waiting
  /** Number of listeners that were there before the handler was called, of an instrumentation for example. */
  readonly #others: number
  readonly #onNewListener = (event: string | symbol): void => {
    // Node emits this before it adds the listener.
    if (event === 'message') queueMicrotask(() => this.#flush())
  }

  /** The answer to the close frame has to be read, no matter which side closes. */
  readonly #onClosing = (): void => { this.#flush() }

  #early: EarlyFrames | null = null
  #settled = false
  #paused = false
  /** Whether a message that is not complete does not fit. */
  #grows = false

  constructor (socket: WebSocket, recipient: Recipient, waiting: Waiting, others: number) {
    this.#socket = socket
    this.#recipient = recipient
    this.#waiting = waiting
    this.#others = others
    socket.on('newListener', this.#onNewListener)
  }

  /** Delivers or keeps a frame. */
  receive (data: RawData, isBinary: boolean): void {
    if (this.#early === null && this.#isHeard()) return this.#recipient.deliver(data, isBinary)
    this.#early ??= this.#waiting.newQueue()
    if (this.#isOpen()) this.#early.add(data, isBinary)
    // A closing socket is not paused: what is too much is dropped.
    else this.#early.push(data, isBinary)
    this.#flush()
  }

  /** Frames wait, and the handler has taken none of them for `listenTimeout`. */
  expire (): void {
    this.#recipient.unheard()
  }

  /**
   * Counts a message that is not complete. One that does not fit stays in the network from here on, until somebody listens:
   * it may be as long as `maxPayload`, and is no fault of the client's.
   */
  growing (bytes: number): void {
    if (this.#isHeard() || !this.#isOpen() || bytes <= (this.#early ?? this.#waiting.newQueue()).room) return
    this.#grows = true
    this.#pause(false)
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
    let delivered = false
    // In a shutdown, what the peer has sent still counts.
    while (this.#early !== null && (this.#isOpen() || isHeard(this.#socket)) && (this.#settled || this.#isHeard())) {
      const frame = this.#early.shift(this.#socket.binaryType)
      delivered = true
      if (frame === undefined) this.#early = null
      else this.#recipient.deliver(frame.data, frame.isBinary)
    }
    if (this.#early === null) this.#grows = false
    if ((this.#grows || this.#early?.isFull === true) && this.#isOpen()) this.#pause(delivered)
    else this.#resume()
  }

  /** @param further whether the handler has taken something, and so has more time */
  #pause (further: boolean): void {
    // Each time: others may have resumed it, for reasons of their own.
    this.#socket.pause()
    if (further || !this.#paused) this.#waiting.sweep.set(this, this.#waiting.settings.listenTimeout)
    if (!this.#paused) this.#socket.on(closingEvent, this.#onClosing)
    this.#paused = true
  }

  #resume (): void {
    if (!this.#paused) return
    this.#paused = false
    this.#waiting.sweep.clear(this)
    this.#socket.off(closingEvent, this.#onClosing)
    this.#socket.resume()
  }

  #isOpen (): boolean {
    return this.#socket.readyState === this.#socket.OPEN
  }

  #isHeard (): boolean {
    return this.#socket.listenerCount('message') > this.#others
  }
}
