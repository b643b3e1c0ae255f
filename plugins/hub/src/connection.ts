import { Socket } from 'node:net'
import type { WebSocket } from 'ws'
import type { Batch } from './batch.js'
import type { Few } from './few.js'
import type { Frame } from './frame.js'
import type { Topic } from './topics.js'
import type { HubIdentity } from './types.js'

/** `readyState` of an open socket. */
export const OPEN = 1

/** State of a `ws` sender that neither compresses nor reads a Blob, and so has nothing queued either. */
const IDLE = 0

/** Frames may be shared with other connections. Unset, `send` gets every message. */
const SHARES = 1
/** Whatever `ws` writes itself comes by here first. */
const GATED = 2
/** The outbox has it. */
const WAITS = 4

const owner = Symbol('airlock connection')

/** What `ws` keeps private and a shared frame depends on. */
interface Internals {
  _isServer: unknown
  _socket: Socket
  _sender: Sender
}

interface Sender {
  _state: unknown
  _firstFragment: unknown
  _bufferedBytes: number
  sendFrame (list: unknown[], callback?: (error?: Error) => void): void
  [owner]?: Connection
}

/** One connection of the hub. There are many, and most are idle: every member counts. */
export class Connection {
  readonly socket: WebSocket
  readonly identity: HubIdentity
  /** As it was when the connection was added. */
  readonly subject: string
  /** When it was added, on the monotonic clock, in whole milliseconds: a fraction would be an object of its own. */
  readonly since = Math.floor(performance.now())
  /** What the connection has joined. */
  topics: Few<Topic<Connection>> = null
  /** When the messages it has sent so far are paid for: the state of its rate limit. `null` before the first. */
  paidUntil: number | null = null
  #pending: Batch | null = null
  #state: number

  constructor (socket: WebSocket, identity: HubIdentity) {
    this.socket = socket
    this.identity = identity
    this.subject = identity.subject
    this.#state = isShareable(socket) ? SHARES : 0
  }

  /**
   * Takes a frame, in order with whatever else is sent on the socket. `ws` itself frames each message anew for each
   * socket and writes head and payload apart; here all connections share one buffer, written at the end of the turn
   * together with what else the turn brings.
   *
   * @returns whether the connection is to be put into the outbox
   * @throws what `send` of a foreign socket may throw
   */
  deliver (frame: Frame): boolean {
    const { _sender: sender } = this.socket as unknown as Internals
    // Only once it is needed: most connections never get anything, and others may have come before.
    if (this.#state === SHARES) this.#state = gate(sender, this) ? SHARES | GATED : 0
    // Behind a queue, or between the fragments of another message, only `send` knows what may go out when.
    if (this.#state === 0 || sender._state !== IDLE || sender._firstFragment !== true) {
      this.socket.send(frame.payload, frame.options)
      return false
    }
    this.#pending = this.#pending === null ? frame.batch : this.#pending.append(frame)
    // Whoever asks for `bufferedAmount` is told of what waits here as well.
    sender._bufferedBytes += frame.bytes.length
    if (this.#state & WAITS) return false
    this.#state |= WAITS
    return true
  }

  /** Writes what waits. */
  flush (): void {
    const batch = this.#pending
    if (batch === null) return
    this.#pending = null
    const { _socket: stream, _sender: sender } = this.socket as unknown as Internals
    sender._bufferedBytes -= batch.length
    // The peer may have gone since: a write to a stream that has ended would be an error of its own.
    if (!stream.writable) return
    for (const buffer of batch.buffers) stream.write(buffer)
  }

  /** Bytes that wait for the end of the turn, or for their slice. */
  get waiting (): number {
    return this.#pending === null ? 0 : this.#pending.length
  }

  /** Holds back what is written from now on, where that can be done. */
  cork (): void {
    if (this.#state !== 0) (this.socket as unknown as Internals)._socket.cork()
  }

  /** Writes what was held back. Once for each {@link cork}. */
  uncork (): void {
    if (this.#state !== 0) (this.socket as unknown as Internals)._socket.uncork()
  }

  /** The outbox calls it once for each time that it was given the connection. */
  endTurn (): void {
    this.#state &= ~WAITS
    this.flush()
  }
}

/** A frame fits every connection only unmasked and uncompressed. Both are settled before a socket opens. */
function isShareable (socket: WebSocket): boolean {
  const { _isServer, _socket, _sender } = socket as unknown as Partial<Internals>
  return _isServer === true && socket.extensions === '' && _socket instanceof Socket &&
    typeof _sender?._state === 'number' && typeof _sender._firstFragment === 'boolean' &&
    typeof _sender._bufferedBytes === 'number' && typeof _sender.sendFrame === 'function'
}

/** @returns `false` where somebody else stands there already: both would think that they know the order */
function gate (sender: Sender, connection: Connection): boolean {
  if (Object.hasOwn(sender, 'sendFrame')) return false
  sender[owner] = connection
  sender.sendFrame = sendFrame
  return true
}

/**
 * Everything that `ws` writes, messages, pings and close frames alike, goes through this one method of its sender; so
 * what the hub has accepted before goes out before. One function serves all sockets.
 */
function sendFrame (this: Sender, list: unknown[], callback?: (error?: Error) => void): void {
  this[owner]?.flush()
  Object.getPrototypeOf(this).sendFrame.call(this, list, callback)
}
