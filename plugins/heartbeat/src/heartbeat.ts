import { channel } from 'node:diagnostics_channel'
import type { IncomingMessage } from 'node:http'
import { inSlices, Sweep } from '@fastify-airlock/core'
import type { WebSocket } from 'ws'
import { Peer } from './peer.js'
import type { HeartbeatTerminated, WsHeartbeat } from './types.js'

const terminations = channel('airlock:heartbeat:terminate')

/** What a {@link Heartbeat} is made of. */
export interface HeartbeatOptions {
  /** Time between two pings to the same silent connection, in milliseconds. */
  interval: number
  /** Time in which something has to be heard after a ping, in milliseconds. */
  timeout: number
  /**
   * A monotonic clock, in milliseconds.
   * @default performance.now
   */
  now?: () => number
  /**
   * A random number of at least 0 and below 1.
   * @default Math.random
   */
  random?: () => number
}

/** Pings connections, and terminates those that are dead: one deadline each, one timer for all. */
export class Heartbeat implements WsHeartbeat {
  /** Pings that were sent since the start. */
  pings = 0
  /** Connections that were terminated since the start. */
  terminated = 0

  readonly #interval: number
  readonly #timeout: number
  readonly #now: () => number
  readonly #random: () => number
  readonly #sweep: Sweep<Peer>
  readonly #peers = new Map<WebSocket, Peer>()
  readonly #suspects: Peer[] = []
  // One function each for all connections: `ws` calls a listener with the socket as `this`.
  readonly #onClose: (this: WebSocket) => void
  readonly #onFrame: (this: WebSocket) => void

  constructor ({ interval, timeout, now = () => performance.now(), random = Math.random }: HeartbeatOptions) {
    this.#interval = interval
    this.#timeout = timeout
    this.#now = now
    this.#random = random
    const resolution = Math.min(100, Math.ceil(timeout / 10))
    this.#sweep = new Sweep(peer => peer.waiting ? this.#check(peer) : this.#ping(peer), { resolution, now })

    const peers = this.#peers
    const unwatch = this.unwatch.bind(this)
    this.#onClose = function () { unwatch(this) }
    this.#onFrame = function () {
      const peer = peers.get(this)
      // Another listener of the same frame may have called unwatch.
      if (peer !== undefined) peer.frames++
    }
  }

  /** Connections that are watched. */
  get size (): number {
    return this.#peers.size
  }

  /** See {@link WsHeartbeat.watch}. */
  watch (socket: WebSocket, request?: IncomingMessage): boolean {
    if (this.#peers.has(socket)) return true
    if (socket.readyState !== socket.OPEN) return false
    // Spread, so that a herd of connections does not become a herd of pings, again and again.
    const delay = this.#interval * (1 + this.#random()) / 2
    const peer = new Peer(socket, request?.socket, this.#now() + delay)
    this.#peers.set(socket, peer)
    socket.on('close', this.#onClose)
    if (peer.transport === undefined) {
      socket.on('message', this.#onFrame).on('ping', this.#onFrame).on('pong', this.#onFrame)
    }
    this.#sweep.set(peer, delay)
    return true
  }

  /** See {@link WsHeartbeat.unwatch}. */
  unwatch (socket: WebSocket): boolean {
    const peer = this.#peers.get(socket)
    if (peer === undefined) return false
    this.#peers.delete(socket)
    this.#sweep.clear(peer)
    socket.off('close', this.#onClose)
    if (peer.transport === undefined) {
      socket.off('message', this.#onFrame).off('ping', this.#onFrame).off('pong', this.#onFrame)
    }
    return true
  }

  /** Acts on every deadline that has passed. The timer calls it; a test may as well. */
  tick (): void {
    this.#sweep.tick()
  }

  /** Leaves every connection alone and stops the timer. */
  close (): void {
    for (const socket of this.#peers.keys()) this.unwatch(socket)
    this.#sweep.close()
  }

  #ping (peer: Peer): void {
    const now = this.#now()
    const late = now - peer.next
    // Counted from when it was due: a stall makes everybody late at once, and must not keep them together.
    peer.next += this.#interval * (Math.floor(late / this.#interval) + 1)
    // After a long stall nobody is pinged before his own time comes round again, or all would be in one moment.
    // A closing socket has a timeout of its own, in `ws`.
    peer.waiting = late <= this.#timeout && !peer.heard && peer.socket.readyState === peer.socket.OPEN
    peer.mark()
    if (peer.waiting) {
      peer.socket.ping()
      this.pings++
    }
    this.#sweep.set(peer, peer.waiting ? this.#timeout : peer.next - now)
  }

  #check (peer: Peer): void {
    if (this.#relax(peer)) return
    // After a stall, timers run before anything is read: its answer may be here already. An immediate runs after that.
    if (this.#suspects.push(peer) === 1) setImmediate(() => this.#judge())
  }

  /** Waits for the next ping of a peer that was heard or could not be; `false` for a silent one. */
  #relax (peer: Peer): boolean {
    if (!peer.heard && !peer.paused) return false
    peer.waiting = false
    peer.mark()
    this.#sweep.set(peer, peer.next - this.#now())
    return true
  }

  #judge (): void {
    // Where a network fails, very many go at once.
    inSlices(this.#suspects.splice(0), peer => {
      const { socket } = peer
      if (this.#peers.get(socket) !== peer || this.#relax(peer)) return
      if (peer.draining) {
        // The ping is still in the queue, or was a moment ago. Only here, never in the timer, can a mark be trusted to
        // find a queue: TLS sockets finish even the smallest write in an immediate.
        peer.mark()
        this.#sweep.set(peer, this.#timeout)
        return
      }
      this.unwatch(socket)
      this.terminated++
      socket.terminate()
      if (terminations.hasSubscribers) terminations.publish({ socket } satisfies HeartbeatTerminated)
    })
  }
}
