import { AddressPool, Sweep, type Sweepable } from '@fastify-airlock/core'
import { CLOSE_TIMEOUT_MS } from '@fastify-airlock/protocol'
import { type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { WebSocketServer } from 'ws'
import { WSA_GUARD_ERR_CLOSING, WSA_GUARD_ERR_TIMEOUT } from './errors.js'

const kUpgrade = Symbol('airlock.upgrade')

/** A socket between its upgrade request and the 101 or the refusal. */
interface Upgrade extends Sweepable {
  socket: Socket
  /** The place held in the pool of the client's address. */
  address: string | null
  answered: boolean
}

interface WithUpgrade {
  [kUpgrade]?: Upgrade
}

/** Limits of the {@link SocketGuard}. */
export interface SocketGuardOptions {
  /** Time from the upgrade request to the 101, in milliseconds. */
  upgradeTimeout: number
  /** Upgrades that one client address may have under way at once. */
  pendingPerAddress: number
}

const TIMEOUT = rawResponse(new WSA_GUARD_ERR_TIMEOUT())
const CLOSING = rawResponse(new WSA_GUARD_ERR_CLOSING())

/**
 * Watches the TCP socket of every upgrade until it is a WebSocket or gone. Node hands the socket over with no error
 * listener and no timeout, and `@fastify/websocket` closes it only where its own hooks ran: a reply from an earlier
 * hook, a malformed URL and a 503 while closing leave it open for ever, and keep `app.close()` waiting.
 */
export class SocketGuard {
  readonly #pending = new Set<Upgrade>()
  readonly #pool: AddressPool
  readonly #sweep: Sweep<Upgrade>
  readonly #timeout: number

  constructor (server: Server, websocketServer: WebSocketServer, { upgradeTimeout, pendingPerAddress }: SocketGuardOptions) {
    this.#timeout = upgradeTimeout
    this.#pool = new AddressPool(pendingPerAddress)
    this.#sweep = new Sweep(upgrade => this.#expire(upgrade))
    // First of all listeners, before a hook can run; and once more after @fastify/websocket has made the response.
    server.prependListener('upgrade', (request: IncomingMessage, socket: Socket) => this.#watch(request, socket))
    server.on('upgrade', (_request: IncomingMessage, socket: Socket) => closeAfterResponse(socket))
    websocketServer.on('connection', (_socket, request: IncomingMessage) => {
      const upgrade = (request as WithUpgrade)[kUpgrade]
      if (upgrade !== undefined) this.#settle(upgrade)
    })
  }

  /** Upgrades under way. */
  get size (): number {
    return this.#pending.size
  }

  /**
   * Counts this upgrade against its client's address until it is settled.
   *
   * @returns `false` where the address has too many under way
   */
  admit (request: IncomingMessage, address: string): boolean {
    const upgrade = (request as WithUpgrade)[kUpgrade]
    // Two guards on one route count once.
    if (upgrade === undefined || upgrade.address !== null) return true
    if (!this.#pool.acquire(address)) return false
    upgrade.address = address
    return true
  }

  /** Refuses what is under way, so that nothing waits for a hook that hangs. */
  close (): void {
    for (const upgrade of this.#pending) this.#answer(upgrade, CLOSING)
  }

  #watch (request: IncomingMessage, socket: Socket): void {
    const upgrade: Upgrade = { socket, address: null, answered: false, due: 0 }
    ;(request as WithUpgrade)[kUpgrade] = upgrade
    this.#pending.add(upgrade)
    this.#sweep.set(upgrade, this.#timeout)
    // A reset would be an uncaught exception. What follows from it is said by 'close'.
    socket.on('error', ignore)
    socket.once('close', () => this.#settle(upgrade))
  }

  #settle (upgrade: Upgrade): void {
    if (!this.#pending.delete(upgrade)) return
    this.#sweep.clear(upgrade)
    if (upgrade.address !== null) this.#pool.release(upgrade.address)
  }

  #expire (upgrade: Upgrade): void {
    if (upgrade.answered) upgrade.socket.destroy()
    else this.#answer(upgrade, TIMEOUT)
  }

  #answer (upgrade: Upgrade, response: string): void {
    upgrade.answered = true
    const { socket } = upgrade
    if (responseOf(socket)?.headersSent === true) socket.destroy()
    else socket.end(response, () => socket.destroy())
    // For a peer that does not read.
    this.#sweep.set(upgrade, CLOSE_TIMEOUT_MS)
  }
}

function closeAfterResponse (socket: Socket): void {
  responseOf(socket)?.once('finish', () => socket.destroy())
}

/**
 * The response that `@fastify/websocket` assigned to the socket. Node keeps it in this undocumented member and offers
 * no other way to it; were it gone, the deadline would still close the socket.
 */
function responseOf (socket: Socket): ServerResponse | undefined {
  return (socket as { _httpMessage?: ServerResponse })._httpMessage
}

function ignore (): void {}

function rawResponse (error: Error & { code: string, statusCode?: number }): string {
  const { code, message, statusCode = 503 } = error
  const body = JSON.stringify({ statusCode, code, error: STATUS_CODES[statusCode], message })
  return [
    `HTTP/1.1 ${statusCode} ${STATUS_CODES[statusCode]}`, 'Connection: close', 'Retry-After: 1',
    'Content-Type: application/json; charset=utf-8', `Content-Length: ${Buffer.byteLength(body)}`, '', body
  ].join('\r\n')
}
