import type { WebSocket } from 'ws'
import type { Batch } from './batch.js'
import type { CompactSet } from './compact-set.js'
import type { Frame } from './frame.js'
import type { Grants } from './grants.js'
import { cork, interceptWrites, isShareable, reserve, uncork, type WriteOwner, writeReserved } from './internals.js'
import type { Topic } from './topics.js'
import type { HubIdentity } from './types.js'

/** `readyState` of an open socket. */
export const OPEN = 1

/** Frames may be shared with other connections. Unset, `send` gets every message. */
const SHARES = 1
/** Whatever `ws` writes itself flushes the connection first. */
const INTERCEPTED = 2
/** The connection is in the outbox. */
const QUEUED = 4
/** The connection takes no place in a limit any more. */
const CLOSING = 8

/** One connection of the hub. There are many, and most are idle: every member counts. */
export class Connection implements WriteOwner {
  readonly socket: WebSocket
  readonly identity: HubIdentity
  /** As it was when the connection was added. */
  readonly subject: string
  /** When its upgrade began, on the monotonic clock, in milliseconds. */
  readonly since: number
  /** What the connection has joined. */
  topics: CompactSet<Topic<Connection>> = null
  /** What it has by the word of `authorizeTopic`; `null` where it never asked. */
  grants: Grants<Connection> | null = null
  /** State of the rate limit: when the messages so far are paid for, `null` before the first. */
  paidUntil: number | null = null
  /** Its id, if somebody has asked. */
  id: string | undefined
  #pending: Batch | null = null
  #state: number

  /**
   * @param canShare whether the hub may share frames at all
   * @param since when its upgrade began
   */
  constructor (socket: WebSocket, identity: HubIdentity, canShare: boolean, since: number) {
    this.since = since
    this.socket = socket
    this.identity = identity
    this.subject = identity.subject
    this.#state = canShare && isShareable(socket) ? SHARES : 0
  }

  /**
   * Takes a frame, in order with everything else that is sent on the socket. `ws` frames each message anew for each
   * socket and writes head and payload apart; here all connections share one buffer. It is written at the end of the
   * turn, joined with what else the turn brings.
   *
   * @returns whether the connection has to be put into the outbox
   * @throws anything that `send` of a foreign socket throws
   */
  enqueue (frame: Frame): boolean {
    const { socket } = this
    // Only once it is needed: most connections never get anything, and others may have come before.
    if (this.#state === SHARES) this.#state = interceptWrites(socket, this) ? SHARES | INTERCEPTED : 0
    if ((this.#state & SHARES) === 0 || !reserve(socket, frame.bytes.length)) {
      socket.send(frame.payload, frame.options)
      return false
    }
    this.#pending = this.#pending === null ? frame.batch : this.#pending.append(frame)
    if (this.#state & QUEUED) return false
    this.#state |= QUEUED
    return true
  }

  /** Whether the connection is closing, however long that may take. */
  get closing (): boolean {
    return (this.#state & CLOSING) !== 0
  }

  /** Notes that the connection is closing: nothing more is sent on it. */
  markClosing (): void {
    this.#state |= CLOSING
  }

  /** Writes what waits. */
  flush (): void {
    const batch = this.#pending
    if (batch === null) return
    this.#pending = null
    writeReserved(this.socket, batch)
  }

  /** Bytes that wait for the end of the turn, or for their slice. */
  get waiting (): number {
    return this.#pending === null ? 0 : this.#pending.length
  }

  /** Holds back what is written from now on, where that is possible. */
  cork (): void {
    if (this.#state & SHARES) cork(this.socket)
  }

  /** Writes what was held back. Once for each {@link cork}. */
  uncork (): void {
    if (this.#state & SHARES) uncork(this.socket)
  }

  /** The outbox calls it once for each time that the connection was put into it. */
  endTurn (): void {
    this.#state &= ~QUEUED
    this.flush()
  }
}
