import { channel } from 'node:diagnostics_channel'
import type { IncomingMessage } from 'node:http'
import { bindMethods, inSlices, noteEnding, ofServer, probeBytesTaken, type ProbeLog, Sweep } from '@fastify-airlock/core'
import type { WebSocket } from 'ws'
import { Peer } from './peer.js'
import type { HeartbeatTerminated, WsHeartbeat } from './types.js'

const terminations = channel('airlock:heartbeat:terminate')

/** What a {@link Heartbeat} needs. */
export interface HeartbeatTiming {
  /** Time between two pings to the same silent connection, in milliseconds. */
  interval: number
  /** Time in which something has to be heard after a ping, in milliseconds. */
  timeout: number
  log: ProbeLog
  /** The HTTP server, of which events tell. */
  server?: object | undefined
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

/**
 * Pings connections, and terminates dead ones: one deadline for each, one timer for all. With `setTimeout` each
 * connection would keep one more object, and Node would run all timers that are due in one go, thousands of pings
 * before the event loop does anything else.
 */
export class Heartbeat implements WsHeartbeat {
  /** Pings sent since the start. */
  pings = 0
  /** Connections terminated since the start. */
  terminated = 0

  readonly #interval: number
  readonly #timeout: number
  readonly #log: ProbeLog
  readonly #server: object | undefined
  readonly #now: () => number
  readonly #random: () => number
  readonly #sweep: Sweep<Peer>
  readonly #peers = new Map<WebSocket, Peer>()
  /** Peers whose timeout has passed: the next immediate decides. */
  readonly #silent: Peer[] = []
  // One function for all connections: `ws` calls a listener with the socket as `this`.
  readonly #onClose: (this: WebSocket) => void
  readonly #onFrame: (this: WebSocket) => void

  constructor ({ interval, timeout, log, server, now = () => performance.now(), random = Math.random }: HeartbeatTiming) {
    this.#interval = interval
    this.#timeout = timeout
    this.#log = log
    this.#server = server
    this.#now = now
    this.#random = random
    const resolution = Math.min(100, Math.ceil(timeout / 10))
    this.#sweep = new Sweep(peer => peer.waiting ? this.#checkAnswer(peer) : this.#ping(peer), { resolution, now })

    const peers = this.#peers
    bindMethods(this)
    const { unwatch } = this
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
    // Spread over time: connections that come all at once are not pinged all at once, again and again.
    const delay = this.#interval * (1 + this.#random()) / 2
    const peer = new Peer(socket, request?.socket, this.#now() + delay)
    this.#peers.set(socket, peer)
    socket.on('close', this.#onClose)
    if (peer.transport === undefined) {
      socket.on('message', this.#onFrame).on('ping', this.#onFrame).on('pong', this.#onFrame)
    } else {
      probeBytesTaken(peer.transport, this.#log)
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

  /** Acts on every deadline that has passed, for tests: the timer does it by itself. */
  tick (): void {
    this.#sweep.tick()
  }

  /** Watches nothing any longer, and stops the timer. */
  close (): void {
    for (const socket of this.#peers.keys()) this.unwatch(socket)
    this.#sweep.close()
  }

  #ping (peer: Peer): void {
    const now = this.#now()
    const late = now - peer.next
    // Counted from when it was due: a stall makes all peers late at once, and must not bring them together.
    peer.next += this.#interval * (Math.floor(late / this.#interval) + 1)
    // After a long stall a peer is not pinged before its own time comes round again, or all would be pinged at once.
    // `ws` has its own timeout for a closing socket.
    peer.waiting = late <= this.#timeout && !peer.heard && peer.socket.readyState === peer.socket.OPEN
    peer.check()
    if (peer.waiting) {
      peer.socket.ping()
      this.pings++
    }
    this.#sweep.set(peer, peer.waiting ? this.#timeout : peer.next - now)
  }

  #checkAnswer (peer: Peer): void {
    if (this.#waitForNextPing(peer)) return
    // After a stall, timers run before anything is read: the answer may be here already. An immediate runs after that.
    if (this.#silent.push(peer) === 1) setImmediate(() => this.#terminateSilent())
  }

  /**
   * Lets a peer that was heard, or could not be heard, wait for its next ping.
   *
   * @returns `false`, and nothing done, for a silent one
   */
  #waitForNextPing (peer: Peer): boolean {
    if (!peer.heard && !peer.paused) return false
    peer.waiting = false
    peer.check()
    this.#sweep.set(peer, peer.next - this.#now())
    return true
  }

  #terminateSilent (): void {
    // When a network fails, very many go at once.
    inSlices(this.#silent.splice(0), peer => {
      const { socket } = peer
      if (this.#peers.get(socket) !== peer || this.#waitForNextPing(peer)) return
      if (peer.reads) {
        // The ping is still in the queue, or was a moment ago. Only in an immediate, never in the timer, does a check
        // reliably find a queue: TLS sockets finish even the smallest write in an immediate.
        peer.check()
        this.#sweep.set(peer, this.#timeout)
        return
      }
      this.unwatch(socket)
      this.terminated++
      noteEnding(socket, null, 'no answer to a ping')
      socket.terminate()
      if (terminations.hasSubscribers) terminations.publish(ofServer({ socket }, this.#server) satisfies HeartbeatTerminated)
    })
  }
}
