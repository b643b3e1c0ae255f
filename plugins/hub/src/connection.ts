import { Socket } from 'node:net'
import type { WebSocket } from 'ws'
import type { Frame } from './frame.js'

/** `readyState` of an open socket. */
export const OPEN = 1

/** State of a `ws` sender that neither compresses nor reads a Blob, and so has nothing queued either. */
const IDLE = 0

/** What `ws` keeps private and a shared frame depends on. */
interface Internals {
  _isServer?: unknown
  _socket?: unknown
  _sender?: { _state?: unknown, _firstFragment?: unknown } | null
}

/** One connection of the hub. */
export class Connection {
  readonly socket: WebSocket
  readonly subject: string
  /** What the connection has joined; `null` until the first time, since many never do. */
  topics: Set<string> | null = null
  readonly #stream: Socket | null
  readonly #sender: NonNullable<Internals['_sender']> | null

  constructor (socket: WebSocket, subject: string) {
    this.socket = socket
    this.subject = subject
    const { _isServer, _socket, _sender } = socket as unknown as Internals
    // A frame fits every connection only unmasked and uncompressed. Both are settled before a socket opens.
    const shares = _isServer === true && socket.extensions === '' && _socket instanceof Socket &&
      typeof _sender?._state === 'number' && typeof _sender._firstFragment === 'boolean'
    this.#stream = shares ? _socket : null
    this.#sender = shares ? _sender : null
  }

  /**
   * Hands a frame over, in order with whatever else is sent on the socket. `ws` itself frames each message anew for
   * each socket and writes head and payload apart; one buffer for all costs the server a fifth less CPU.
   *
   * @returns whether the connection was open
   * @throws what `send` of a foreign socket may throw
   */
  deliver (frame: Frame): boolean {
    if (this.socket.readyState !== OPEN) return false
    // Behind a queue, or between the fragments of another message, only `send` knows what may go out when.
    if (this.#stream !== null && this.#sender?._state === IDLE && this.#sender._firstFragment === true) {
      this.#stream.write(frame.bytes)
    } else {
      this.socket.send(frame.payload, frame.options)
    }
    return true
  }
}
