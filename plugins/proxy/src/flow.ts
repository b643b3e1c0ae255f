import { type RawData, WebSocket } from 'ws'
import type { Deadline, Route } from './route.js'

const TEXT = { binary: false }
const BINARY = { binary: true }

/**
 * One direction of a pipe: passes on what one side sends, no faster than the other takes it. What waits for the other
 * is bounded by `highWaterMark`, one more message and the rest of one read (64 KiB).
 */
export class Flow implements Deadline {
  due = 0
  /** When the last message came, in milliseconds of `performance.now()`. */
  movedAt = 0
  readonly #route: Route
  readonly #source: WebSocket
  #sink: WebSocket | null = null
  /** What came before there was anybody to pass it on to. */
  #early: Array<[RawData, boolean]> = []
  #earlyBytes = 0
  #full = false
  #stopped = false
  // One function for all messages.
  readonly #onSent = (): void => { this.#drained() }

  constructor (route: Route, source: WebSocket) {
    this.#route = route
    this.#source = source
  }

  /** Passes on to `sink` from now on, and first what came before. */
  open (sink: WebSocket): void {
    this.#sink = sink
    this.movedAt = performance.now()
    this.#source.resume()
    for (const [data, isBinary] of this.#early) this.message(data, isBinary)
    this.#early = []
  }

  /** Passes a message on. */
  message (data: RawData, isBinary: boolean): void {
    const sink = this.#sink
    if (sink === null) return this.#keep(data as Buffer, isBinary)
    // Closing already: ws would count it as waiting for ever.
    if (sink.readyState !== WebSocket.OPEN) return
    this.movedAt = performance.now()
    sink.send(data as Buffer, isBinary ? BINARY : TEXT, this.#onSent)
    this.#sent(sink)
  }

  /** Passes a ping or a pong on. */
  control (type: 'ping' | 'pong', data: Buffer): void {
    const sink = this.#sink
    if (sink?.readyState !== WebSocket.OPEN) return
    sink[type](data, undefined, this.#onSent)
    this.#sent(sink)
  }

  /** The sink has not taken what waits for it in time. Its `close` event brings the other side down as well. */
  expire (): void {
    (this.#sink as WebSocket).terminate()
  }

  /** Passes nothing on any more, and lets the source read what its close needs. */
  stop (): void {
    this.#route.shared.sweep.clear(this)
    this.#stopped = true
    this.#early = []
    this.#source.resume()
  }

  #keep (data: Buffer, isBinary: boolean): void {
    if (this.#stopped) return
    this.#early.push([data, isBinary])
    this.#earlyBytes += data.length
    if (this.#earlyBytes > this.#route.highWaterMark) this.#source.pause()
  }

  #sent (sink: WebSocket): void {
    if (this.#full || sink.bufferedAmount <= this.#route.highWaterMark) return
    this.#full = true
    this.#source.pause()
    this.#route.shared.sweep.set(this, this.#route.drainTimeout)
  }

  #drained (): void {
    if (!this.#full || (this.#sink as WebSocket).bufferedAmount > this.#route.lowWaterMark) return
    this.#full = false
    this.#route.shared.sweep.clear(this)
    this.#source.resume()
  }
}
