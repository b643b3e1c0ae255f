import {
  auditChannel, beganAt, Closer, closingEvent, inSlices, logoutCode, noteEnding, Places, RateLimit, type RecentOrders, type SocketWatcher,
  Sweep, type Sweepable
} from '@fastify-airlock/core'
import { CloseCode } from '@fastify-airlock/protocol'
import type { WebSocket } from 'ws'
import { trailOf } from './audit.js'
import type { ClusterLimit } from './cluster-limit.js'
import { Connection, OPEN } from './connection.js'
import { drain } from './drain.js'
import { WSA_HUB_ERR_INVALID_SUBJECT, WSA_HUB_ERR_SUBJECT_CHANGED } from './errors.js'
import { channels, type HubOwner, ofHub } from './events.js'
import type { HubSettings } from './options.js'
import { hasOnlySubject, type DisconnectOrder } from './order.js'
import type { Registry } from './registry.js'
import type { HubStats } from './status.js'
import type { HubIdentity } from './types.js'

/** From so many connections on, close frames are written in slices. */
const MANY = 100

/** Close codes after which a client comes back, or is connected again already. */
const HERE_AGAIN: ReadonlySet<number | undefined> = new Set([CloseCode.SERVICE_RESTART, CloseCode.TRY_AGAIN_LATER, CloseCode.REPLACED])

/** Settings of an {@link Admission}. */
export interface AdmissionSettings {
  owner: HubOwner
  /** Limits the connections of a subject over all nodes, if that is wanted. */
  limit: ClusterLimit | null
  options: HubSettings
  registry: Registry
  stats: HubStats
  /** The recent orders to disconnect. */
  recent: RecentOrders
  /** Whether connections may share frames. */
  canShare: boolean
  /** Called with each connection that has closed. */
  onRemove: (connection: Connection) => void
  /** Called with each connection that an order ends for good, as soon as it does. */
  onOver: (connection: Connection) => void
  /**
   * Called with each such order, unless it names one connection: it may also mean connections that have closed already.
   *
   * @param subject set if the order means every connection of this subject
   */
  onOrder: (isMeant: (connection: Pick<Connection, 'since' | 'identity'>) => boolean, subject: string | undefined) => void
  /**
   * Has a watcher told of the events of the server's own sockets.
   *
   * @returns tells whether a socket is one of them; `null` where the sockets cannot be watched
   */
  watch?: ((key: symbol, watcher: SocketWatcher) => ((socket: WebSocket) => boolean) | null) | undefined
}

/** A connection that is not read for a while. */
interface Paused extends Sweepable {
  socket: WebSocket
}

/** Admits, limits and closes connections. */
export class Admission {
  /** Places that upgrades take before their 101; `null` where nothing limits them. */
  readonly places: Places | null
  readonly #settings: AdmissionSettings
  readonly #closer: Closer
  readonly #rate: RateLimit | null
  readonly #onClose: (this: WebSocket) => void
  readonly #onMessage: (this: WebSocket) => void
  readonly #onClosing: (this: WebSocket) => void
  readonly #isWatched: (socket: WebSocket) => boolean
  readonly #gone = new AbortController()
  /** Those that have sent too much, where that pauses them. */
  readonly #paused = new Map<WebSocket, Paused>()
  readonly #pauses = new Sweep<Paused>(({ socket }) => this.#resume(socket), { resolution: 20 })
  #drained: Promise<void> | null = null
  /** Connections that are closing: they are known, and hold no place. */
  #closing = 0

  constructor (settings: AdmissionSettings) {
    const { closeTimeout, flushTimeout, messageRate } = settings.options
    this.#settings = settings
    this.#closer = new Closer(closeTimeout, flushTimeout)
    this.#rate = messageRate === false ? null : new RateLimit(messageRate)
    // One listener for all sockets: it finds its own as `this`.
    const remove = this.#remove.bind(this)
    const meter = this.meter.bind(this)
    this.#onClose = function () { remove(this) }
    const leave = this.#leavePlace.bind(this)
    this.#onMessage = function () { meter(this) }
    this.#onClosing = function () { leave(this) }
    const { registry, stats, watch, options: { maxConnections } } = settings
    this.places = maxConnections === Infinity
      ? null
      : new Places(maxConnections, { used: () => registry.size - this.#closing, onFull: () => { stats.refusals.node++ } })
    this.#isWatched = watch?.(registry.key, (socket, event) => {
      if (event === 'message') meter(socket)
      else if (event === closingEvent) leave(socket)
      else if (event === 'close') remove(socket)
    }) ?? (() => false)
  }

  /** Whether the hub closes all connections before a shutdown. */
  get draining (): boolean {
    return this.#drained !== null
  }

  /** Takes a connection in, or closes it. */
  add (socket: WebSocket, identity: HubIdentity): boolean {
    const { registry, stats, canShare, recent, limit } = this.#settings
    const { subject } = identity
    if (typeof subject !== 'string' || subject === '') throw new WSA_HUB_ERR_INVALID_SUBJECT()
    if (socket.readyState !== OPEN) return false
    const known = registry.get(socket)
    if (known !== undefined) {
      if (known.subject !== subject) throw new WSA_HUB_ERR_SUBJECT_CHANGED()
      return true
    }
    // The upgrade may have begun before the user was disconnected, and hooks may have taken their time since.
    const since = beganAt(socket) ?? performance.now()
    const order = recent.find(identity, since)
    if (order !== undefined) return this.#refuse(socket, subject, 'disconnected', order.code ?? logoutCode(socket), order.reason)
    if (!this.#admit(socket, subject)) return false
    const connection = new Connection(socket, identity, canShare, since)
    registry.add(connection)
    stats.connections++
    if (!this.#isWatched(socket)) {
      socket.on('close', this.#onClose)
      if (this.#rate !== null) socket.on('message', this.#onMessage)
      // A listener more for each connection: only where places are counted, or connections are paused.
      const { maxConnections, onRate } = this.#settings.options
      if (maxConnections !== Infinity || onRate === 'pause') socket.on(closingEvent, this.#onClosing)
    }
    limit?.add({ subject, id: registry.idOf(connection) })
    if (channels.add.hasSubscribers) channels.add.publish(ofHub({ socket, subject }, this.#settings.owner))
    if (auditChannel.hasSubscribers) trailOf(socket, this.#settings.owner).of(identity, recent.sessionClaim)
    return true
  }

  /**
   * Closes the connections that an order means, and refuses those that began before it.
   *
   * @param given when it was given, in milliseconds of `performance.now()`
   * @returns how many of them were open
   */
  disconnect (order: DisconnectOrder, given: number): number {
    const { recent, onOver, onOrder } = this.#settings
    const { kind, connection: id, code, reason, ...target } = order
    if (id === undefined) recent.add(target, { code, reason, given })
    const isMeant = ({ since, identity }: Pick<Connection, 'since' | 'identity'>): boolean =>
      since <= given ? recent.isMeant(target, identity) : recent.isMeantForGood(target, identity)
    // Those that are closing already as well: they may still be heard, and may never answer.
    const connections: Connection[] = []
    for (const connection of this.#candidates(order)) if (isMeant(connection)) connections.push(connection)
    const many = connections.length > MANY
    let open = 0
    for (const connection of connections) {
      if (many) connection.cork()
      if (connection.socket.readyState === OPEN) open++
      this.#expel(connection, 'disconnected', code ?? logoutCode(connection.socket), reason)
    }
    if (!HERE_AGAIN.has(code)) {
      for (const connection of connections) onOver(connection)
      if (id === undefined) onOrder(isMeant, hasOnlySubject(target) ? target.subject : undefined)
    }
    // From here on none of them is heard or sent anything: only the close frames take their time.
    if (many) inSlices(connections, connection => connection.uncork())
    return open
  }

  #candidates ({ connection, subject }: DisconnectOrder): Iterable<Connection> {
    const { registry } = this.#settings
    if (connection !== undefined) return [registry.byId(connection)].filter(found => found !== undefined)
    return subject === undefined ? registry.all() : registry.of(subject)
  }

  /** Refuses a connection that is one too many on all nodes together. */
  refuse (id: string): void {
    const connection = this.#settings.registry.byId(id)
    if (connection?.socket.readyState === OPEN) this.#refuse(connection.socket, connection.subject, 'subject', CloseCode.TOO_MANY, 'too many connections')
  }

  /**
   * Closes a connection that has to make room for one on any node.
   *
   * @returns whether this node has it
   */
  replace (id: string): boolean {
    const connection = this.#settings.registry.byId(id)
    if (connection !== undefined) this.#expel(connection, 'replaced', CloseCode.REPLACED, 'replaced')
    return connection !== undefined
  }

  /** Closes a connection that has broken the protocol. */
  close (socket: WebSocket, code: number, reason: string): void {
    if (socket.readyState === OPEN) this.#close(socket, code, reason)
  }

  /** Ends a connection at once. */
  terminate (connection: Connection, reason: keyof HubStats['closes']): void {
    this.#recordClose(connection, reason)
    this.#settings.limit?.remove(connection.id)
    noteEnding(connection.socket, null, reason)
    connection.socket.terminate()
  }

  /** Closes all connections, and refuses new ones from now on. */
  drain (): Promise<void> {
    const { registry, limit, options: { drain: batches, closeTimeout } } = this.#settings
    // They are told to come back, on other nodes.
    limit?.end()
    this.#drained ??= drain([...registry.all()], batches, {
      close: connection => {
        this.#recordClose(connection, 'drained')
        // What is on its way from the client is still handled: it has done nothing wrong, and has `drain.timeout` at most.
        noteEnding(connection.socket, CloseCode.SERVICE_RESTART, 'drained')
        this.#closer.close(connection.socket, CloseCode.SERVICE_RESTART, this.#retryAfter(), { heard: true })
      },
      terminate: ({ socket }) => socket.terminate(),
      closeTimeout,
      gone: this.#gone.signal
    })
    if (registry.size === 0) this.#gone.abort()
    return this.#drained
  }

  /** Closes a connection that is over a limit, or the one that it replaces. */
  #admit (socket: WebSocket, subject: string): boolean {
    const { registry, options: { maxConnectionsPerSubject, onSubjectLimit } } = this.#settings
    this.places?.giveBack(socket)
    if (this.draining) return this.#refuse(socket, subject, 'draining', CloseCode.SERVICE_RESTART, this.#retryAfter())
    // A route without a guard takes no place before its 101, and others may have come meanwhile.
    if (this.places?.isFull === true) {
      return this.#refuse(socket, subject, 'node', CloseCode.TRY_AGAIN_LATER, 'too many connections')
    }
    if (registry.sizeOf(subject) < maxConnectionsPerSubject) return true
    const open = registry.openOf(subject)
    if (open.length < maxConnectionsPerSubject) return true
    if (onSubjectLimit === 'refuse') {
      return this.#refuse(socket, subject, 'subject', CloseCode.TOO_MANY, 'too many connections')
    }
    this.#expel(open[0] as Connection, 'replaced', CloseCode.REPLACED, 'replaced')
    return true
  }

  #refuse (socket: WebSocket, subject: string, reason: keyof HubStats['refusals'], code: number, text: string): false {
    this.#settings.stats.refusals[reason]++
    if (channels.refuse.hasSubscribers) channels.refuse.publish(ofHub({ socket, subject, reason }, this.#settings.owner))
    this.#close(socket, code, text)
    return false
  }

  #expel (connection: Connection, reason: keyof HubStats['closes'], code: number, text: string): void {
    this.#recordClose(connection, reason)
    this.#settings.limit?.remove(connection.id)
    this.#close(connection.socket, code, text)
  }

  #close (socket: WebSocket, code: number, reason: string): void {
    // `ws` goes on reading until the peer answers the close frame: the application must not obey an expelled user
    // meanwhile.
    socket.removeAllListeners('message')
    noteEnding(socket, code, reason)
    this.#closer.close(socket, code, reason)
  }

  /** Counts and announces a close, unless the connection is closing already. */
  #recordClose ({ socket, subject }: Connection, reason: keyof HubStats['closes']): void {
    if (socket.readyState !== OPEN) return
    this.#settings.stats.closes[reason]++
    if (channels.close.hasSubscribers) channels.close.publish(ofHub({ socket, subject, reason }, this.#settings.owner))
  }

  /** Counts a message, and closes the connection where it is one too many. */
  meter (socket: WebSocket): void {
    if (this.#rate === null) return
    const connection = this.#settings.registry.get(socket)
    // What a closing socket still sends does not count.
    if (connection === undefined || socket.readyState !== OPEN) return
    if (this.#settings.options.onRate === 'pause') {
      const now = performance.now()
      this.#rate.add(connection, now)
      const wait = this.#rate.wait(connection, now)
      if (wait > 0) this.#pause(socket, wait)
    } else if (!this.#rate.take(connection, performance.now())) {
      this.#expel(connection, 'rate', CloseCode.TOO_MANY, 'too many messages')
    }
  }

  #pause (socket: WebSocket, wait: number): void {
    let paused = this.#paused.get(socket)
    if (paused === undefined) this.#paused.set(socket, paused = { socket, due: 0 })
    this.#pauses.set(paused, wait)
    // Each time: others may have resumed it, for reasons of their own.
    socket.pause()
  }

  /** Reads the connection again, if it is paused: also for the answer to a close frame. */
  #resume (socket: WebSocket): void {
    const paused = this.#paused.get(socket)
    if (paused === undefined) return
    this.#paused.delete(socket)
    this.#pauses.clear(paused)
    socket.resume()
  }

  #leavePlace (socket: WebSocket): void {
    const connection = this.#settings.registry.get(socket)
    if (connection === undefined || connection.closing) return
    connection.markClosing()
    this.#closing++
    // The answer to the close frame has to be read, no matter what closes it.
    this.#resume(socket)
  }

  #remove (socket: WebSocket): void {
    const { registry, stats, onRemove, limit } = this.#settings
    const connection = registry.get(socket)
    if (connection === undefined) return
    registry.delete(connection)
    limit?.remove(connection.id)
    if (connection.closing) this.#closing--
    this.#resume(socket)
    stats.connections--
    onRemove(connection)
    if (channels.remove.hasSubscribers) channels.remove.publish(ofHub({ socket, subject: connection.subject }, this.#settings.owner))
    if (this.draining && registry.size === 0) this.#gone.abort()
  }

  #retryAfter (): string {
    return JSON.stringify({ retryAfter: Math.round(Math.random() * this.#settings.options.drain.jitter) })
  }
}
