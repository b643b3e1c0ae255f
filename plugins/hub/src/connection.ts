import { Socket } from 'node:net'
import type { WebSocket } from 'ws'
import type { Batch } from './batch.js'
import type { Frame } from './frame.js'
import type { Outbox } from './outbox.js'
import type { Topic } from './topics.js'
import type { HubIdentity } from './types.js'

/** `readyState` of an open socket. */
export const OPEN = 1

/**
 * Most bytes that wait for the end of a turn. Beyond it joining saves nothing any more, copies would cost memory where
 * each connection gets something else, and the kernel would be kept from taking what it could take at once.
 */
export const MAX_JOINED_BYTES = 16 * 1024

/** State of a `ws` sender that neither compresses nor reads a Blob, and so has nothing queued either. */
const IDLE = 0

const owner = Symbol('airlock connection')

/** What `ws` keeps private and a shared frame depends on. */
interface Internals {
  _isServer?: unknown
  _socket?: unknown
  _sender?: Partial<Sender> | null
}

interface Sender {
  _state: unknown
  _firstFragment: unknown
  _bufferedBytes: number
  sendFrame (list: unknown[], callback?: (error?: Error) => void): void
  [owner]?: Connection
}

/** One connection of the hub. */
export class Connection {
  readonly socket: WebSocket
  readonly identity: HubIdentity
  /** As it was when the connection was added. */
  readonly subject: string
  /** When it was added, on the monotonic clock, in milliseconds. */
  readonly since = performance.now()
  /** What the connection has joined; `null` until the first time, since many never do. */
  topics: Set<Topic<Connection>> | null = null
  /** When the messages it has sent so far are paid for: the state of its rate limit. */
  paidUntil = 0
  readonly #outbox: Outbox
  readonly #stream: Socket | null
  readonly #sender: Sender | null
  #pending: Batch | null = null
  #waits = false

  constructor (socket: WebSocket, identity: HubIdentity, outbox: Outbox) {
    this.socket = socket
    this.identity = identity
    this.subject = identity.subject
    this.#outbox = outbox
    const { _isServer, _socket, _sender } = socket as unknown as Internals
    // A frame fits every connection only unmasked and uncompressed. Both are settled before a socket opens.
    const shares = _isServer === true && socket.extensions === '' && _socket instanceof Socket && isSender(_sender)
    this.#stream = shares ? _socket : null
    this.#sender = shares ? _sender : null
    if (shares) {
      _sender[owner] = this
      _sender.sendFrame = sendFrame
    }
  }

  /**
   * Hands a frame over, in order with whatever else is sent on the socket. `ws` itself frames each message anew for
   * each socket and writes head and payload apart; here all connections share one buffer, written at the end of the
   * turn together with what else the turn brings.
   *
   * @throws what `send` of a foreign socket may throw
   */
  deliver (frame: Frame): void {
    // Behind a queue, or between the fragments of another message, only `send` knows what may go out when.
    if (this.#sender === null || this.#sender._state !== IDLE || this.#sender._firstFragment !== true) {
      this.socket.send(frame.payload, frame.options)
      return
    }
    const { bytes } = frame
    if (this.#pending !== null && this.#pending.length + bytes.length > MAX_JOINED_BYTES) this.flush()
    if (bytes.length > MAX_JOINED_BYTES) {
      this.#stream?.write(bytes)
      return
    }
    this.#pending = this.#pending === null ? frame.batch : this.#pending.append(frame)
    // Whoever asks for `bufferedAmount` is told of what waits here as well.
    this.#sender._bufferedBytes += bytes.length
    if (this.#waits) return
    this.#waits = true
    this.#outbox.add(this)
  }

  /** Writes what waits for the end of the turn. */
  flush (): void {
    const batch = this.#pending
    if (batch === null) return
    this.#pending = null
    const { _bufferedBytes } = this.#sender as Sender
    ;(this.#sender as Sender)._bufferedBytes = _bufferedBytes - batch.length
    // The peer may have gone since: a write to a stream that has ended would be an error of its own.
    if (this.#stream?.writable) this.#stream.write(batch.join())
  }

  /** The outbox calls it once for each `add`. */
  endTurn (): void {
    this.#waits = false
    this.flush()
  }
}

function isSender (sender: Partial<Sender> | null | undefined): sender is Sender {
  return typeof sender?._state === 'number' && typeof sender._firstFragment === 'boolean' &&
    typeof sender._bufferedBytes === 'number' && typeof sender.sendFrame === 'function' &&
    // Somebody else stands there already: both would think that they know the order.
    !Object.hasOwn(sender, 'sendFrame')
}

/**
 * Everything that `ws` writes, messages, pings and close frames alike, goes through this one method of its sender; so
 * what the hub has accepted before goes out before. One function serves all sockets.
 */
function sendFrame (this: Sender, list: unknown[], callback?: (error?: Error) => void): void {
  this[owner]?.flush()
  Object.getPrototypeOf(this).sendFrame.call(this, list, callback)
}
