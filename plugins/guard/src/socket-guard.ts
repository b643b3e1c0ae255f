import { addressKey, PendingPool, Sweep, type Sweepable } from '@fastify-airlock/core'
import { CLOSE_TIMEOUT_MS } from '@fastify-airlock/protocol'
import type { FastifyBaseLogger, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { type Refusal, REFUSALS } from './refusal.js'

const kUpgrade = Symbol('airlock.upgrade')

/** What is known of a socket between its upgrade request and the 101 or the refusal. */
interface Upgrade extends Sweepable {
  guard: SocketGuard
  socket: Socket & WithUpgrade
  request: IncomingMessage & WithUpgrade
  /** Who asks, once the upgrade counts against the client's address. */
  client: Pick<FastifyRequest, 'ip'> | null
  answered: boolean
  /** Whether it has a deadline and listeners: not in the turn in which it came. */
  watched: boolean
}

interface WithUpgrade {
  /** `null` once it is over. */
  [kUpgrade]?: Upgrade | null
}

/** Limits of the {@link SocketGuard}. */
export interface SocketGuardOptions {
  /** Time from the upgrade request to the 101, in milliseconds. */
  upgradeTimeout: number
  /** Upgrades that one client address may have under way at once. */
  pendingPerAddress: number
}

/**
 * Watches the TCP socket of every upgrade until it is a WebSocket or gone. Node hands the socket over with no error
 * listener and no timeout, and `@fastify/websocket` closes it only where its own hooks ran: a reply from an earlier
 * hook, a malformed URL and a 503 while closing leave it open for ever, and keep `app.close()` waiting.
 *
 * A socket that has become a WebSocket keeps nothing of this: with many idle ones, a closure each is what counts.
 */
export class SocketGuard {
  readonly #pool: PendingPool<Upgrade>
  readonly #sweep: Sweep<Upgrade>
  readonly #timeout: number
  readonly #log: FastifyBaseLogger

  constructor ({ server, websocketServer, log }: FastifyInstance, { upgradeTimeout, pendingPerAddress }: SocketGuardOptions) {
    this.#log = log
    this.#timeout = upgradeTimeout
    this.#pool = new PendingPool(pendingPerAddress, ({ client }) => addressKey(client?.ip))
    this.#sweep = new Sweep(upgrade => this.#expire(upgrade))
    // First of all listeners, before a hook can run; and once more after @fastify/websocket has run all that answers at
    // once. Most upgrades are WebSockets by then, and within one turn nothing happens to a socket that has to be seen.
    server.prependListener('upgrade', (request: IncomingMessage, socket: Socket) => { this.#note(request, socket) })
    server.on('upgrade', (request: IncomingMessage & WithUpgrade) => {
      if (request[kUpgrade]) this.#watch(request[kUpgrade], this.#timeout)
    })
    websocketServer.on('connection', (_socket, request: IncomingMessage & WithUpgrade) => {
      if (request[kUpgrade]) this.settle(request[kUpgrade])
    })
  }

  /** Upgrades under way. */
  get size (): number {
    return this.#sweep.size
  }

  /**
   * Counts this upgrade against its client's address until it is settled.
   *
   * @returns `false` where the address has too many under way
   */
  admit (request: FastifyRequest): boolean {
    const upgrade = (request.raw as IncomingMessage & WithUpgrade)[kUpgrade]
    // Two guards on one route count once.
    if (!upgrade || upgrade.client !== null) return true
    upgrade.client = request
    return this.#pool.acquire(upgrade)
  }

  /** Whether the upgrade has been answered, or its peer has gone. `false` for what never was one of this server's. */
  isOver (request: IncomingMessage & WithUpgrade): boolean {
    const upgrade = request[kUpgrade]
    return upgrade === null || upgrade?.answered === true
  }

  /**
   * Answers an upgrade with a refusal, on its socket.
   *
   * @returns `false`, and nothing done, where the request is no upgrade that is under way
   */
  refuse (refusal: Refusal, request: FastifyRequest, reply: FastifyReply): boolean {
    const upgrade = (request.raw as IncomingMessage & WithUpgrade)[kUpgrade]
    if (!upgrade || upgrade.answered) return false
    upgrade.answered = true
    refusal.replyOn(upgrade.socket, request, reply)
    // All of it is with the kernel already, unless something else fills the pipe: then the peer may never take it.
    if (upgrade.socket.writableLength === 0) this.settle(upgrade)
    else this.#watch(upgrade, CLOSE_TIMEOUT_MS)
    return true
  }

  /** Answers an upgrade with a refusal before anybody else has seen it. */
  refuseFirst (refusal: Refusal, request: IncomingMessage & WithUpgrade, socket: Socket): void {
    socket.on('error', onError)
    refusal.answer(socket, this.#log)
    if (socket.writableLength === 0) return
    const upgrade = this.#note(request, socket)
    upgrade.answered = true
    this.#watch(upgrade, CLOSE_TIMEOUT_MS)
  }

  /** Refuses what is under way, so that nothing waits for a hook that hangs. */
  close (): void {
    for (const upgrade of [...this.#sweep]) if (!upgrade.answered) this.#answer(upgrade, REFUSALS.CLOSING)
  }

  /** Lets go of an upgrade: it is a WebSocket now, or gone. */
  settle (upgrade: Upgrade): void {
    const { socket, request, watched } = upgrade
    this.#pool.release(upgrade)
    request[kUpgrade] = null
    if (!watched) return
    this.#sweep.clear(upgrade)
    socket.off('error', onError).off('close', onClose)
    responseOf(socket)?.off('finish', onFinish)
    socket[kUpgrade] = null
  }

  #note (request: IncomingMessage & WithUpgrade, socket: Socket): Upgrade {
    const upgrade = { guard: this, socket, request, client: null, answered: false, watched: false, due: 0 }
    request[kUpgrade] = upgrade
    return upgrade
  }

  #watch (upgrade: Upgrade, delay: number): void {
    this.#sweep.set(upgrade, delay)
    if (upgrade.watched) return
    upgrade.watched = true
    const { socket } = upgrade
    socket[kUpgrade] = upgrade
    // A reset would be an uncaught exception. 'close' does the cleanup.
    socket.on('error', onError).on('close', onClose)
    responseOf(socket)?.on('finish', onFinish)
  }

  #expire (upgrade: Upgrade): void {
    if (upgrade.answered) upgrade.socket.destroy()
    else this.#answer(upgrade, REFUSALS.TIMEOUT)
  }

  #answer (upgrade: Upgrade, refusal: Refusal): void {
    upgrade.answered = true
    const { socket } = upgrade
    if (responseOf(socket)?.headersSent === true) {
      socket.destroy()
      return
    }
    refusal.answer(socket, this.#log)
    // For a peer that does not read.
    this.#sweep.set(upgrade, CLOSE_TIMEOUT_MS)
  }
}

/**
 * The response that `@fastify/websocket` assigned to the socket. Node keeps it in this undocumented member and offers
 * no other way to it; were it gone, the deadline would still close the socket.
 */
function responseOf (socket: Socket): ServerResponse | undefined {
  return (socket as { _httpMessage?: ServerResponse })._httpMessage
}

/** Whether an answer to an earlier request on the same connection is not complete yet. */
export function hasResponse (socket: Socket): boolean {
  return responseOf(socket) != null
}

function onError (): void {}

function onClose (this: Socket & WithUpgrade): void {
  const upgrade = this[kUpgrade] as Upgrade
  upgrade.guard.settle(upgrade)
}

function onFinish (this: ServerResponse): void {
  this.socket?.destroy()
}
