import { Socket } from 'node:net'
import type { Sweepable } from '@fastify-airlock/core'
import type { WebSocket } from 'ws'

/** A watched connection, and what it looked like when it was last looked at. */
export class Peer implements Sweepable {
  due = 0
  /** When it may be pinged next, in milliseconds of the heartbeat's clock. */
  next: number
  /** Whether a ping is out that nothing has followed yet. */
  waiting = false
  /** Frames that were received; counted only where there is no transport. */
  frames = 0
  readonly socket: WebSocket
  /** The TCP or TLS socket underneath, where it is known. */
  readonly transport: Socket | undefined
  #received = 0
  #full = false
  #taken = 0
  #queued = 0

  constructor (socket: WebSocket, transport: unknown, next: number) {
    this.socket = socket
    // `injectWS` has none, or whatever a test pretends it to be.
    this.transport = transport instanceof Socket ? transport : undefined
    this.next = next
    this.mark()
  }

  /** Looks at the connection: {@link heard} and {@link draining} tell what has happened since. */
  mark (): void {
    const { transport } = this
    this.#received = this.#receivedNow()
    this.#full = transport !== undefined && transport.writableLength > 0
    if (!this.#full) return
    this.#taken = taken(transport as Socket)
    this.#queued = queued(transport as Socket)
  }

  /** Whether anything at all came in. */
  get heard (): boolean {
    return this.#receivedNow() !== this.#received
  }

  /** Whether reading is paused, by the application or by `ws` while it inflates: nothing can be heard then. */
  get paused (): boolean {
    return this.transport?.isPaused() ?? this.socket.isPaused
  }

  /**
   * Whether the peer took some of what was waiting for it. The kernel takes bytes for a dead peer as well until its
   * buffer is full, so this counts only where it was full: what leaves it then was acknowledged by the peer.
   */
  get draining (): boolean {
    if (!this.#full) return false
    const transport = this.transport as Socket
    return taken(transport) !== this.#taken || queued(transport) !== this.#queued
  }

  #receivedNow (): number {
    return this.transport?.bytesRead ?? this.frames
  }
}

/** Bytes of the writes that are done with. */
function taken (transport: Socket): number {
  return transport.bytesWritten - transport.writableLength
}

interface Handle {
  writeQueueSize: number
  /** What a TLS handle writes to; its own queue only shrinks when it is empty. */
  _parent?: Handle
}

/**
 * Bytes of the write under way that the kernel has not taken yet. Nothing public tells how far a single large write
 * has come, and it may well take longer than a timeout; `socket.setTimeout` of Node itself looks here, too.
 */
function queued (transport: Socket): number {
  const { _handle: handle } = transport as unknown as { _handle: Handle | null }
  return (handle?._parent ?? handle)?.writeQueueSize ?? 0
}
