import { Socket } from 'node:net'
import { bytesTaken, type Sweepable } from '@fastify-airlock/core'
import type { WebSocket } from 'ws'

/** A watched connection, and what it looked like at the last check. */
export class Peer implements Sweepable {
  due = 0
  /** When it may be pinged next, in milliseconds of the heartbeat's clock. */
  next: number
  /** Whether a ping was sent and nothing was heard since. */
  waiting = false
  /** Frames that were received; counted only without a transport. */
  frames = 0
  readonly socket: WebSocket
  /** The TCP or TLS socket underneath, if it is known. */
  readonly transport: Socket | undefined
  #received = 0
  #full = false
  #taken = 0

  constructor (socket: WebSocket, transport: unknown, next: number) {
    this.socket = socket
    // `injectWS` has none, and a test may pass anything.
    this.transport = transport instanceof Socket ? transport : undefined
    this.next = next
    this.check()
  }

  /** Records the state of the connection. {@link heard} and {@link reads} tell what has happened since. */
  check (): void {
    const { transport } = this
    this.#received = this.#receivedNow()
    this.#full = transport !== undefined && transport.writableLength > 0
    if (this.#full) this.#taken = bytesTaken(transport as Socket)
  }

  /** Whether anything at all was received. */
  get heard (): boolean {
    return this.#receivedNow() !== this.#received
  }

  /** Whether reading is paused, by the application or by `ws` while it inflates: nothing can be heard then. */
  get paused (): boolean {
    return this.transport?.isPaused() ?? this.socket.isPaused
  }

  /**
   * Whether the peer took some of what was waiting for it. The kernel takes bytes for a dead peer as well until its
   * buffer is full, so this counts only when it was full: the peer has acknowledged what leaves it then.
   */
  get reads (): boolean {
    return this.#full && bytesTaken(this.transport as Socket) !== this.#taken
  }

  #receivedNow (): number {
    return this.transport?.bytesRead ?? this.frames
  }
}
