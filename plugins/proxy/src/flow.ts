import { noteEnding } from '@fastify-airlock/core'
import { type RawData, WebSocket } from 'ws'
import type { Deadline, ProxyContext } from './context.js'

const TEXT = { binary: false }
const BINARY = { binary: true }

/**
 * One direction of a pipe: passes on what one side sends, no faster than the other side takes it. At most
 * `highWaterMark`, one more message and the rest of one read (64 KiB) wait for the other side.
 */
export class Flow implements Deadline {
  due = 0
  /** Time of the last message, in milliseconds of `performance.now()`. */
  movedAt = 0
  readonly #context: ProxyContext
  readonly #source: WebSocket
  #sink: WebSocket | null = null
  /** Messages that came before there was a sink. */
  #early: Array<[RawData, boolean]> = []
  #earlyBytes = 0
  #full = false
  #stopped = false
  // One function serves all messages.
  readonly #onSent = (): void => { this.#drained() }

  constructor (context: ProxyContext, source: WebSocket) {
    this.#context = context
    this.#source = source
  }

  /** Passes on to `sink` from now on, beginning with what came before. */
  open (sink: WebSocket): void {
    this.#sink = sink
    this.movedAt = performance.now()
    this.#source.resume()
    for (const [data, isBinary] of this.#early) this.message(data, isBinary)
    this.#early = []
  }

  /** Passes a message on. */
  message (data: RawData, isBinary: boolean): void {
    if (this.#stopped) return
    const sink = this.#sink
    if (sink === null) return this.#keep(data as Buffer, isBinary)
    // It is closing, and ws would count the message as waiting for ever.
    if (sink.readyState !== WebSocket.OPEN) return
    this.movedAt = performance.now()
    sink.send(data as Buffer, isBinary ? BINARY : TEXT, this.#onSent)
    this.#sent(sink)
  }

  /** Passes a ping or a pong on. */
  control (type: 'ping' | 'pong', data: Buffer): void {
    const sink = this.#sink
    if (this.#stopped || sink?.readyState !== WebSocket.OPEN) return
    sink[type](data, undefined, this.#onSent)
    this.#sent(sink)
  }

  /** Whether messages wait that there was no sink for. */
  get hasEarly (): boolean {
    return this.#early.length > 0
  }

  /** Cuts off a sink that was too slow. Its `close` event ends the other side as well. */
  expire (): void {
    const sink = this.#sink as WebSocket
    noteEnding(sink, null, 'slow')
    sink.terminate()
  }

  /** Passes nothing on from now on. The source is read again, since its close needs that. */
  stop (): void {
    this.#context.shared.sweep.clear(this)
    this.#stopped = true
    this.#early = []
    this.#source.resume()
  }

  #keep (data: Buffer, isBinary: boolean): void {
    this.#early.push([data, isBinary])
    this.#earlyBytes += data.length
    if (this.#earlyBytes > this.#context.highWaterMark) this.#source.pause()
  }

  #sent (sink: WebSocket): void {
    if (this.#full || sink.bufferedAmount <= this.#context.highWaterMark) return
    this.#full = true
    this.#source.pause()
    this.#context.shared.sweep.set(this, this.#context.drainTimeout)
  }

  #drained (): void {
    if (!this.#full || (this.#sink as WebSocket).bufferedAmount > this.#context.lowWaterMark) return
    this.#full = false
    this.#context.shared.sweep.clear(this)
    this.#source.resume()
  }
}
