import {
  addressKey, auditChannel, beganAt, Closer, findTrail, logoutCode, Misuse, noteEnding, ofServer, PendingPool, pendingPlacesOf, type Places,
  type RecentOrders, recentOrdersOf, SocketExpiry, Sweep, type Sweepable, trailOfRequest, type WsIdentity
} from '@fastify-airlock/core'
import { CLOSE_TIMEOUT_MS, CloseCode } from '@fastify-airlock/protocol'
import type { FastifyBaseLogger, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { WebSocket } from 'ws'
import { auditAdmission, auditEnd, createSourceOf } from './audit.js'
import { CONNECT_WAIT_MS, ConnectQueue } from './connect-queue.js'
import type { UpgradeResponses } from './internals.js'
import type { GuardServerSettings } from './options.js'
import { channels, type GuardExpireEvent } from './events.js'
import { type Refusal, REFUSALS } from './refusal.js'
import { GUARD_WARNINGS } from './warnings.js'

const kUpgrade = Symbol('airlock.upgrade')

/** The hooks of a guard whose answers are awaited. */
const HOOKS = { hook: 'allowedOrigins, authenticate or isRevoked' }

const SETTLED = Promise.resolve()

/** The listeners of every guard: none of them completes an upgrade. */
const ours = new WeakSet<object>()

/** What is known of a socket between its upgrade request and the 101 or the refusal. */
interface Upgrade extends Sweepable {
  guard: SocketGuard
  socket: Socket & WithUpgrade
  request: IncomingMessage & WithUpgrade
  /** The client's request, once the upgrade counts against the client's address. */
  client: Pick<FastifyRequest, 'ip' | 'wsIdentity'> | null
  /** Whom the socket belongs to, where the socket is closed at the expiry; else `null`. */
  expiring: WsIdentity | null
  /** Where it has taken a place in a hub. */
  hub: Places | null
  /** Goes on with an upgrade that waits for its turn; `null` once it has been its turn, `undefined` before. */
  proceed: (() => void) | null | undefined
  answered: boolean
  /** The HTTP status of an answer that is not the guard's. */
  status: number | null
  /** Whether a hook of the guard was asked whose answer has to be awaited. */
  awaited: boolean
  /** Whether it has a deadline and listeners, which it does not have in its first turn. */
  watched: boolean
}

interface WithUpgrade {
  /** `null` once it is over. */
  [kUpgrade]?: Upgrade | null
}

/**
 * Watches the TCP socket of every upgrade until it is a WebSocket or closed. Node hands the socket over without an error
 * listener and without a timeout, and `@fastify/websocket` closes it only if its own hooks ran. A reply from an earlier
 * hook, a malformed URL and a 503 while closing would leave it open forever, and keep `app.close()` waiting.
 *
 * A socket that has become a WebSocket keeps nothing of this, because a closure for each of many idle sockets takes memory.
 */
export class SocketGuard {
  readonly #pool: PendingPool<Upgrade>
  readonly #pending: Places
  readonly #queue: ConnectQueue<Upgrade> | null
  readonly #sweep: Sweep<Upgrade>
  readonly #timeout: number
  readonly #log: FastifyBaseLogger
  readonly #misuse: Misuse
  readonly #expiry: SocketExpiry
  readonly #responses: UpgradeResponses
  readonly #recent: RecentOrders
  readonly #closer = new Closer(CLOSE_TIMEOUT_MS)
  readonly #sourceOf: ReturnType<typeof createSourceOf>

  constructor (
    fastify: FastifyInstance,
    { upgradeTimeout, pendingPerAddress, pendingTotal, connectRate }: GuardServerSettings,
    responses: UpgradeResponses
  ) {
    const { server, websocketServer, log } = fastify
    this.#responses = responses
    this.#sourceOf = createSourceOf(fastify)
    this.#log = log
    this.#misuse = Misuse.of(fastify, GUARD_WARNINGS.ANSWER)
    this.#expiry = new SocketExpiry({
      onExpired: (socket, { subject }) => {
        log.info({ code: CloseCode.UNAUTHORIZED, reason: 'token expired' }, 'websocket closed')
        if (channels.expire.hasSubscribers) channels.expire.publish(ofServer({ socket: socket as WebSocket, subject }, server) satisfies GuardExpireEvent)
      }
    })
    this.#timeout = upgradeTimeout
    this.#recent = recentOrdersOf(server)
    this.#recent.keepFor(upgradeTimeout * 2)
    this.#pool = new PendingPool(pendingPerAddress, ({ client }) => addressKey(client?.ip) || null)
    this.#pending = pendingPlacesOf(server)
    if (pendingTotal !== undefined) this.#pending.limitTo(pendingTotal)
    this.#queue = connectRate === null ? null : new ConnectQueue(connectRate)
    this.#sweep = new Sweep(upgrade => this.#expire(upgrade))
    // The first listener, before any hook runs, and the last one, after @fastify/websocket has run the synchronous hooks.
    // Most upgrades are WebSockets by then, and within one turn a socket emits nothing.
    const first = (request: IncomingMessage, socket: Socket): void => { this.#note(request, socket) }
    const last = (request: IncomingMessage & WithUpgrade): void => {
      const upgrade = request[kUpgrade]
      if (!upgrade) return
      this.#watch(upgrade, upgrade.proceed == null ? this.#timeout : CONNECT_WAIT_MS)
      // @fastify/websocket does not listen any more while it closes: from 11.3.7 on with a `preClose` of one's own as well.
      // Nothing may be written into the response to an earlier request.
      const isUnheard = responses.find(upgrade.socket) === undefined && !responses.isAnswering(upgrade.socket)
      if (isUnheard && server.listeners('upgrade').every(listener => ours.has(listener))) this.#answer(upgrade, REFUSALS.CLOSING)
    }
    for (const listener of [first, last]) ours.add(listener)
    server.prependListener('upgrade', first)
    server.on('upgrade', last)
    websocketServer.on('connection', (socket, request: IncomingMessage & WithUpgrade) => {
      const upgrade = request[kUpgrade]
      if (upgrade) this.#complete(upgrade, socket)
    })
  }

  /** Closes the socket of a user who was disconnected after the guard had let the upgrade pass: other hooks came between. */
  #refuseLate (socket: WebSocket, { client, request }: Upgrade): void {
    const identity = client?.wsIdentity
    const order = identity ? this.#recent.find(identity, beganAt(request) as number) : undefined
    if (order === undefined) return
    // The route's handler follows, and may listen: `ws` goes on reading until the peer answers the close frame.
    const { emit } = socket
    socket.emit = (event, ...args) => event !== 'message' && emit.call(socket, event, ...args)
    const code = order.code ?? logoutCode(socket)
    noteEnding(socket, code, order.reason)
    this.#closer.close(socket, code, order.reason)
  }

  /** Number of pending upgrades. */
  get size (): number {
    return this.#sweep.size
  }

  /** Number of upgrades that wait for their turn. */
  get waiting (): number {
    return this.#queue?.size ?? 0
  }

  /**
   * Counts this upgrade until it is settled: against its client's address, and against what the server may have pending.
   *
   * @returns why it is refused; `null` where there is a place
   */
  admit (request: FastifyRequest): Refusal | null {
    const upgrade = (request.raw as IncomingMessage & WithUpgrade)[kUpgrade]
    // Two guards on one route count as one.
    if (!upgrade || upgrade.client !== null) return null
    upgrade.client = request
    if (!this.#pool.acquire(upgrade)) return REFUSALS.TOO_MANY
    return this.#pending.take(request.raw) ? null : REFUSALS.FULL
  }

  /** Whether nothing more may be pending on this server. */
  get isFull (): boolean {
    return this.#pending.isFull
  }

  /**
   * Lets an upgrade in at its turn.
   *
   * @returns why it is refused; `null` where it may go on, or is over: its client has left, or was refused meanwhile
   */
  takeTurn (request: IncomingMessage & WithUpgrade): Refusal | null | Promise<null> {
    const upgrade = request[kUpgrade]
    // Two guards on one route count as one.
    if (this.#queue === null || !upgrade || upgrade.proceed !== undefined) return null
    const when = this.#queue.arrive(upgrade, () => { this.#enter(upgrade) })
    upgrade.proceed = null
    if (when !== 'later') return when === 'now' ? null : REFUSALS.BUSY
    if (upgrade.watched) this.#sweep.set(upgrade, CONNECT_WAIT_MS)
    return new Promise(resolve => { upgrade.proceed = () => resolve(null) })
  }

  /** Takes a place in the hub that an upgrade leads to. Returns `false` if none is left. */
  takePlace (request: IncomingMessage & WithUpgrade, hub: Places): boolean {
    const upgrade = request[kUpgrade]
    if (!upgrade) return !hub.turnsAway()
    if (!hub.take(request)) return false
    upgrade.hub = hub
    return true
  }

  /** Has the WebSocket closed when this identity expires. */
  closeAtExpiry (request: IncomingMessage & WithUpgrade, identity: WsIdentity): void {
    const upgrade = request[kUpgrade]
    if (upgrade) upgrade.expiring = identity
  }

  /** Whether the upgrade has been answered, or its client has left. `false` for requests that are no upgrades. */
  isOver (request: IncomingMessage & WithUpgrade): boolean {
    const upgrade = request[kUpgrade]
    return upgrade === null || upgrade?.answered === true
  }

  /** Notes whether the upgrade waits for a hook of its guard. */
  awaitHook (request: IncomingMessage & WithUpgrade, awaited: boolean): void {
    const upgrade = request[kUpgrade]
    if (upgrade) upgrade.awaited = awaited
  }

  /**
   * Answers an upgrade with a refusal, on its socket.
   *
   * @returns `false`, and nothing is done, if the request is no pending upgrade
   */
  refuse (refusal: Refusal, request: FastifyRequest, reply: FastifyReply): boolean {
    const upgrade = (request.raw as IncomingMessage & WithUpgrade)[kUpgrade]
    if (!upgrade || upgrade.answered) return false
    upgrade.answered = true
    upgrade.hub?.giveBack(request.raw)
    refusal.replyOn(upgrade.socket, request, reply, this.#responses)
    // Usually the kernel has all of it. Otherwise the client may never read it.
    if (upgrade.socket.writableLength === 0) this.settle(upgrade)
    else this.#watch(upgrade, CLOSE_TIMEOUT_MS)
    return true
  }

  /** Answers an upgrade with a refusal before any other listener is called. */
  refuseFirst (refusal: Refusal, request: IncomingMessage & WithUpgrade, socket: Socket): void {
    socket.on('error', onError)
    if (auditChannel.hasSubscribers) trailOfRequest(request, this.#sourceOf(request, request.url))
    refusal.answer(socket, this.#log, request)
    if (socket.writableLength === 0) return
    const upgrade = this.#note(request, socket)
    upgrade.answered = true
    this.#watch(upgrade, CLOSE_TIMEOUT_MS)
  }

  /** Whether the response to an earlier request on the same connection is not complete. */
  isAnswering (socket: Socket): boolean {
    return this.#responses.isAnswering(socket)
  }

  /** Refuses all pending upgrades, so that nothing waits for a hook that hangs. */
  close (): void {
    for (const upgrade of [...this.#sweep]) if (!upgrade.answered) this.#answer(upgrade, REFUSALS.CLOSING)
  }

  /** Forgets when WebSockets expire. */
  end (): void {
    this.#expiry.close()
  }

  /** Ends the watch of an upgrade that has become a WebSocket or is closed. */
  settle (upgrade: Upgrade): void {
    const { socket, request, watched } = upgrade
    this.#pool.release(upgrade)
    this.#pending.giveBack(request)
    upgrade.hub?.giveBack(request)
    request[kUpgrade] = null
    this.#leaveQueue(upgrade)
    if (!watched) return
    this.#sweep.clear(upgrade)
    socket.off('error', onError).off('close', onClose)
    this.#responses.find(socket)?.off('finish', onFinish)
    socket[kUpgrade] = null
  }

  #complete (upgrade: Upgrade, socket: WebSocket): void {
    const { request, hub } = upgrade
    this.#pending.pass(request, socket)
    hub?.pass(request, socket)
    this.settle(upgrade)
    auditAdmission(socket, request, this.#sourceOf)
    // The route's handler follows in this turn. The handshake takes the places over, and the hub counts those that it has.
    // Not by `queueMicrotask`, which makes an async resource for each call.
    SETTLED.then(() => {
      this.#pending.giveBack(socket)
      hub?.giveBack(socket)
    })
    this.#refuseLate(socket, upgrade)
    if (upgrade.expiring !== null) this.#expiry.watch(socket, upgrade.expiring)
  }

  #note (request: IncomingMessage & WithUpgrade, socket: Socket): Upgrade {
    const upgrade = { guard: this, socket, request, client: null, expiring: null, hub: null, proceed: undefined, answered: false, status: null, awaited: false, watched: false, due: 0 }
    request[kUpgrade] = upgrade
    return upgrade
  }

  #watch (upgrade: Upgrade, delay: number): void {
    this.#sweep.set(upgrade, delay)
    if (upgrade.watched) return
    upgrade.watched = true
    const { socket, request } = upgrade
    if (auditChannel.hasSubscribers && findTrail(request) === undefined) trailOfRequest(request, this.#sourceOf(request))
    socket[kUpgrade] = upgrade
    // Without a listener, a reset would be an uncaught exception. 'close' does the cleanup.
    socket.on('error', onError).on('close', onClose)
    this.#responses.find(socket)?.on('finish', onFinish)
  }

  /** It is its turn. */
  #enter (upgrade: Upgrade): void {
    // It waits in another turn than it came in, so it has a deadline.
    this.#sweep.set(upgrade, this.#timeout)
    this.#proceed(upgrade)
  }

  /** Has an upgrade that is over wait no longer. */
  #leaveQueue (upgrade: Upgrade): void {
    if (this.#queue?.leave(upgrade) === true) this.#proceed(upgrade)
  }

  #proceed (upgrade: Upgrade): void {
    const proceed = upgrade.proceed as () => void
    upgrade.proceed = null
    proceed()
  }

  #expire (upgrade: Upgrade): void {
    if (upgrade.answered) {
      upgrade.socket.destroy()
    } else if (upgrade.proceed != null) {
      this.#answer(upgrade, REFUSALS.BUSY)
    } else {
      if (upgrade.awaited) this.#misuse.late(HOOKS, 'upgradeTimeout')
      this.#answer(upgrade, REFUSALS.TIMEOUT)
    }
  }

  #answer (upgrade: Upgrade, refusal: Refusal): void {
    upgrade.answered = true
    const { socket, request, hub } = upgrade
    hub?.giveBack(request)
    this.#leaveQueue(upgrade)
    if (this.#responses.find(socket)?.headersSent === true) {
      socket.destroy()
      return
    }
    refusal.answer(socket, this.#log, request)
    // The client may not read.
    this.#sweep.set(upgrade, CLOSE_TIMEOUT_MS)
  }
}

function onError (): void {}

function onClose (this: Socket & WithUpgrade): void {
  const upgrade = this[kUpgrade] as Upgrade
  upgrade.guard.settle(upgrade)
  auditEnd(upgrade.request, upgrade.status)
}

function onFinish (this: ServerResponse & { socket: WithUpgrade | null }): void {
  const upgrade = this.socket?.[kUpgrade]
  if (upgrade) upgrade.status = this.statusCode
  this.socket?.destroy()
}
