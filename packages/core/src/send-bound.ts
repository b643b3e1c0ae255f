import type { Socket } from 'node:net'
import { bytesTaken, transportOf } from './internals.js'
import { Sweep, type Sweepable } from './sweep.js'
import { noteEnding } from './trail.js'

/** Default of `maxSocketBytes`: what may wait for one peer, in bytes. */
export const MAX_SOCKET_BYTES = 32 * 1024 * 1024

/** Default of `stallTimeout`: time in which a peer has to take something, in milliseconds. */
export const STALL_TIMEOUT_MS = 60_000

/** From so many waiting bytes on, a socket is looked after until nothing waits for its peer any more. */
export const LARGE_QUEUE_BYTES = 1024 * 1024

/** Looks in each `stallTimeout`. */
const LOOKS = 8

/** The part of a WebSocket that a {@link SendBound} needs. */
export interface BoundSocket {
  /** Bytes that were sent and have not gone out. */
  readonly bufferedAmount: number
  readonly readyState: number
  terminate (): void
  on (event: 'close', listener: () => void): unknown
  off (event: 'close', listener: () => void): unknown
}

const OPEN = 1

/** Why a socket was cut: too much was waiting, or its peer took nothing for too long. */
export type CutReason = 'full' | 'stalled'

/** Settings of a {@link SendBound}. */
export interface SendBoundSettings<S extends BoundSocket = BoundSocket> {
  /** What may wait for one peer, in bytes; `Infinity` for any number. */
  maxSocketBytes: number
  /** Time in which a peer has to take something, once more than 1 MiB has waited, in milliseconds; `Infinity` for any. */
  stallTimeout: number
  /** Called with each socket that was cut. */
  onCut: (socket: S, reason: CutReason, bytes: number) => void
  /**
   * A monotonic clock, in milliseconds.
   * @default performance.now
   */
  now?: () => number
  /**
   * The TCP or TLS socket underneath, which tells how far a write has come. Without it, only a shorter queue is progress.
   * @default that of a socket of `ws`
   */
  transportOf?: (socket: S) => Socket | undefined
}

/** A socket for whose peer much has waited. */
class Queue<S extends BoundSocket> implements Sweepable {
  due = 0
  readonly socket: S
  readonly transport: Socket | undefined
  /** What was waiting, and what had been taken, at the last look. */
  waiting = 0
  taken = 0
  /** Time of the last look. */
  lookedAt = 0
  /** How long the peer has taken nothing. */
  idle = 0

  constructor (socket: S, transport: Socket | undefined) {
    this.socket = socket
    this.transport = transport
  }

  /** Notes how things are. Returns whether the peer has taken something since the last time. */
  look (): boolean {
    const { waiting, taken } = this
    this.waiting = this.socket.bufferedAmount
    this.taken = this.transport === undefined ? 0 : bytesTaken(this.transport)
    return this.taken !== taken || this.waiting < waiting
  }
}

/**
 * Cuts sockets whose peers do not take what is sent to them: at once where more than `maxSocketBytes` would wait, and where
 * more than 1 MiB has waited and the peer takes nothing of it for `stallTimeout`, whatever it says meanwhile. No close
 * frame would reach such a peer, so there is none.
 *
 * Only sockets with so much waiting are looked at, eight times in each `stallTimeout`, all by one timer. A socket that is
 * closing is left to who closes it.
 */
export class SendBound<S extends BoundSocket = BoundSocket> {
  readonly #settings: Required<SendBoundSettings<S>>
  readonly #interval: number
  /** From so many bytes on, something is to be done. */
  readonly #least: number
  readonly #queues = new Map<S, Queue<S>>()
  readonly #sweep: Sweep<Queue<S>>
  // One function for all sockets.
  readonly #onClose: (this: unknown) => void

  constructor (settings: SendBoundSettings<S>) {
    this.#settings = { now: () => performance.now(), transportOf, ...settings }
    const { maxSocketBytes, stallTimeout, now } = this.#settings
    this.#least = Math.min(LARGE_QUEUE_BYTES, maxSocketBytes)
    this.#interval = Math.ceil(stallTimeout / LOOKS)
    this.#sweep = new Sweep(queue => this.#look(queue), { now, resolution: Math.min(100, this.#interval) })
    const forget = this.#forget.bind(this)
    this.#onClose = function () { forget(this as S) }
  }

  /** Sockets that are looked after. */
  get size (): number {
    return this.#queues.size
  }

  /** Looks at a socket on which something was sent. */
  check (socket: S): void {
    const bytes = socket.bufferedAmount
    if (bytes <= this.#least || socket.readyState !== OPEN) return
    const { maxSocketBytes, stallTimeout } = this.#settings
    if (bytes > maxSocketBytes) this.#cut(socket, 'full', bytes)
    else if (stallTimeout !== Infinity && !this.#queues.has(socket)) this.#watch(socket)
  }

  /** Acts on every deadline that has passed, for tests: the timer does it by itself. */
  tick (): void {
    this.#sweep.tick()
  }

  /** Looks after nothing any longer, and stops the timer. */
  close (): void {
    for (const socket of this.#queues.keys()) this.#forget(socket)
    this.#sweep.close()
  }

  #watch (socket: S): void {
    const { now, transportOf } = this.#settings
    const queue = new Queue(socket, transportOf(socket))
    queue.look()
    queue.lookedAt = now()
    this.#queues.set(socket, queue)
    socket.on('close', this.#onClose)
    this.#sweep.set(queue, this.#interval)
  }

  #look (queue: Queue<S>): void {
    const { now, stallTimeout } = this.#settings
    const { socket, lookedAt } = queue
    const moved = queue.look()
    if (socket.readyState !== OPEN || queue.waiting === 0) return this.#forget(socket)
    queue.lookedAt = now()
    // After a stall of this process nothing has been written yet, however long it took.
    queue.idle = moved ? 0 : queue.idle + Math.min(queue.lookedAt - lookedAt, 2 * this.#interval)
    if (queue.idle >= stallTimeout) this.#cut(socket, 'stalled', queue.waiting)
    else this.#sweep.set(queue, this.#interval)
  }

  #cut (socket: S, reason: CutReason, bytes: number): void {
    this.#forget(socket)
    noteEnding(socket, null, reason)
    socket.terminate()
    this.#settings.onCut(socket, reason, bytes)
  }

  #forget (socket: S): void {
    const queue = this.#queues.get(socket)
    if (queue === undefined) return
    this.#queues.delete(socket)
    this.#sweep.clear(queue)
    socket.off('close', this.#onClose)
  }
}
