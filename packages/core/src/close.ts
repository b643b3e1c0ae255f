import { CLOSE_TIMEOUT_MS, FLUSH_TIMEOUT_MS, truncateReason } from '@fastify-airlock/protocol'
import { closeFrameIsOut, prolongClose } from './internals.js'
import { Sweep, type Sweepable } from './sweep.js'

/** The part of a `ws` WebSocket that closing needs. */
export interface Closable {
  close (code?: number, reason?: string): void
  terminate (): void
  /** One that is not told counts as open. */
  readonly readyState?: number
  /** Bytes that were sent and have not gone out. What does not tell has none. */
  readonly bufferedAmount?: number
  emit? (event: string | symbol, ...given: any[]): boolean
}

/** How a {@link Closer} closes one socket. */
export interface CloseHow {
  /**
   * Bytes that waited on the socket before the first frame of the refusal was sent, if that is more than the close frame.
   * @default its bufferedAmount
   */
  waiting?: number
  /**
   * Time that the peer may need for what the kernel has taken already, in milliseconds, beside that for its answer.
   * @default 0
   */
  underWay?: number
  /**
   * Whether the peer's messages still reach the listeners.
   * @default false
   */
  heard?: boolean
}

/**
 * Emitted by a socket as soon as this side closes it or has received the peer's close frame, with no arguments: it takes
 * no place any more, however long its `'close'` event may take. Only sockets of `websocketOptions()`, and those that a
 * {@link Closer} closes, emit it.
 */
export const closingEvent = Symbol.for('airlock.closing')

/** The member of a socket that one of the closers, perhaps of another copy of this package, looks after. */
const kTaken = Symbol.for('airlock.closer')

/** Its messages reach no listener any more. */
const SILENT = 1
/** They still do. */
const HEARD = 2

interface Marked {
  [kTaken]?: 0 | typeof SILENT | typeof HEARD
}

const OPEN = 1
const CLOSED = 3

/** Time between two looks at a socket whose close frame has not gone out, in milliseconds. */
const LOOK_MS = 100

/** What a kernel may hold of a connection whose peer takes it slowly, in bytes: `tcp_wmem` of Linux. Nobody can see it. */
const KERNEL_BYTES = 4 * 1024 * 1024

/**
 * What may wait behind close calls in this process, in bytes. Peers beyond have no more time than those to whom nothing
 * is on its way.
 */
export const MAX_FLUSHING_BYTES = 128 * 1024 * 1024

/** Bytes that wait behind close calls in this process. */
let flushing = 0

class Closing implements Sweepable {
  due = 0
  readonly socket: Closable
  readonly begun: number
  /** Bytes that were waiting before the refusal; 0 once the close frame is out. */
  waiting: number
  /** See {@link CloseHow.underWay}. */
  readonly underWay: number
  looked = false

  constructor (socket: Closable, begun: number, waiting: number, underWay: number) {
    this.socket = socket
    this.begun = begun
    this.waiting = waiting
    this.underWay = underWay
    flushing += waiting
  }

  /** The bytes are out, or will never be. */
  settle (): void {
    flushing -= this.waiting
    this.waiting = 0
  }
}

/**
 * Closes sockets reliably: sends code and reason, and calls `terminate()` when the peer does not answer in time. A peer
 * to whom nothing else is on its way has `closeTimeout`. Any other has `flushTimeout` until the close frame has gone out,
 * and `closeTimeout` from then on. Where the frame was held up, the kernel is full of bytes that nobody can see: the time
 * that they take at the same pace is added, within `flushTimeout`.
 *
 * `ws` alone counts one time, 30 s, from the call.
 */
export class Closer {
  readonly #closeTimeout: number
  readonly #flushTimeout: number
  readonly #now: () => number
  readonly #sweep: Sweep<Closing>

  /**
   * @param closeTimeout time the peer has to answer the close frame, in milliseconds
   * @default closeTimeout 2000
   * @param flushTimeout time in which the close frame has to go out, in milliseconds
   * @default flushTimeout 120000
   * @param now a monotonic clock, in milliseconds
   * @default now performance.now
   */
  constructor (
    closeTimeout: number = CLOSE_TIMEOUT_MS, flushTimeout: number = FLUSH_TIMEOUT_MS, now = (): number => performance.now()
  ) {
    this.#closeTimeout = closeTimeout
    this.#flushTimeout = flushTimeout
    this.#now = now
    // Terminating a closed socket does nothing, so no 'close' listener is needed.
    this.#sweep = new Sweep(closing => this.#act(closing), { now })
  }

  /** Sockets that are looked after. Those that have closed in time are among them until their time would be over. */
  get size (): number {
    return this.#sweep.size
  }

  /**
   * A socket that is closing under another closer stays with that one.
   *
   * @param code a close code that an application may send: 1000, 1001, 1007 to 1014 or 3000 to 4999
   * @param reason cut to 123 bytes
   */
  close (socket: Closable, code: number, reason: string, how: CloseHow = {}): void {
    if (!isTaken(socket)) this.take(socket, () => socket.close(code, truncateReason(reason)), how)
  }

  /**
   * Looks after a socket while it closes: what a class of sockets calls in its `close`.
   *
   * @param close sends the close frame; what it throws is thrown, and nothing done
   */
  take (socket: Closable, close: () => void, { waiting = socket.bufferedAmount ?? 0, underWay = 0, heard = false }: CloseHow = {}): void {
    const open = (socket.readyState ?? OPEN) === OPEN
    const flush = open && waiting > 0 && flushing + waiting <= MAX_FLUSHING_BYTES
    const marked = socket as Marked
    marked[kTaken] = heard ? HEARD : SILENT
    if (flush || underWay > 0) prolongClose(socket, this.#flushTimeout + this.#closeTimeout)
    try {
      close()
    } catch (error) {
      marked[kTaken] = 0
      throw error
    }
    const closing = new Closing(socket, this.#now(), flush ? waiting : 0, underWay)
    const delay = flush ? Math.min(LOOK_MS, this.#flushTimeout) : this.#closeTimeout + Math.min(underWay, this.#flushTimeout)
    this.#sweep.set(closing, delay)
    if (open) began(socket, heard)
  }

  /** Gives all that are left no more than `timeout` milliseconds from now, whatever waits for them. */
  hurry (timeout: number): void {
    for (const closing of [...this.#sweep]) {
      closing.settle()
      this.#sweep.set(closing, timeout)
    }
  }

  /** Acts on every deadline that has passed, for tests: the timer does it by itself. */
  tick (): void {
    this.#sweep.tick()
  }

  #act (closing: Closing): void {
    const { socket, waiting } = closing
    if (waiting === 0 || socket.readyState === CLOSED) {
      closing.settle()
      return socket.terminate()
    }
    const elapsed = this.#now() - closing.begun
    const left = Math.max(this.#flushTimeout - elapsed, 0)
    if (closeFrameIsOut(socket)) {
      closing.settle()
      const held = closing.looked ? elapsed * KERNEL_BYTES / waiting : 0
      this.#sweep.set(closing, this.#closeTimeout + Math.min(Math.max(held, closing.underWay), left))
    } else if (left === 0) {
      closing.settle()
      socket.terminate()
    } else {
      closing.looked = true
      this.#sweep.set(closing, Math.min(LOOK_MS, left))
    }
  }
}

/** Whether a closer looks after a socket. */
export function isTaken (socket: Closable): boolean {
  return Boolean((socket as Marked)[kTaken])
}

/** Whether a closer closes a socket and lets its messages reach the listeners meanwhile, as in a shutdown. */
export function isHeard (socket: Closable): boolean {
  return (socket as Marked)[kTaken] === HEARD
}

/** Tells who counts places that one is free, and lets no listener hear the peer any more. */
export function began (socket: Closable, heard: boolean): void {
  const { emit } = socket
  if (emit === undefined) return
  emit.call(socket, closingEvent)
  if (heard) return
  // Only for a socket that closes, and for whatever comes to listen. It is read on, or the peer's answer would not come.
  socket.emit = function (event) {
    if (event === 'message') return false
    return Reflect.apply(emit, this, arguments)
  }
}
