import { CLOSE_TIMEOUT_MS, CloseCode } from '@fastify-airlock/protocol'
import { type Closable, Closer } from './close.js'
import type { WsIdentity } from './identity.js'
import { Sweep, type Sweepable } from './sweep.js'
import { noteEnding } from './trail.js'

/** What a {@link SocketExpiry} needs of a WebSocket. */
export interface ExpiringSocket extends Closable {
  on (event: 'close', listener: () => void): unknown
  off (event: 'close', listener: () => void): unknown
  removeAllListeners (event: 'message'): unknown
}

/** A socket with its deadline. */
interface Expiring extends Sweepable {
  readonly socket: ExpiringSocket
  readonly identity: Pick<WsIdentity, 'subject' | 'expiresAt'>
  readonly sweep: Sweep<Expiring>
}

// A registered symbol, since an application may hold several copies of this package.
const kExpiring = Symbol.for('airlock expiring')

type WithExpiry = ExpiringSocket & { [kExpiring]?: Expiring | undefined }

/** Settings of a {@link SocketExpiry}. */
export interface SocketExpirySettings {
  /** Called with each socket that is closed, right before. */
  onExpired?: (socket: ExpiringSocket, identity: Pick<WsIdentity, 'subject' | 'expiresAt'>) => void
  /**
   * Time that a peer has to answer the close frame, in milliseconds.
   * @default 2000
   */
  closeTimeout?: number
  /**
   * The time of day, in milliseconds since the epoch.
   * @default Date.now
   */
  wall?: () => number
  /**
   * A monotonic clock, in milliseconds.
   * @default performance.now
   */
  now?: () => number
}

/**
 * Closes WebSockets whose credential has expired, with 4401. It is for sockets that nothing but the upgrade has
 * authenticated: their client cannot show another credential. A socket whose identity expires later by then, because
 * somebody has updated it, is closed later.
 *
 * All sockets share one timer, and a socket without an expiry costs nothing.
 */
export class SocketExpiry {
  readonly #closer: Closer
  readonly #onExpired: NonNullable<SocketExpirySettings['onExpired']>
  readonly #wall: () => number
  readonly #sweep: Sweep<Expiring>

  constructor ({ onExpired = () => {}, closeTimeout = CLOSE_TIMEOUT_MS, wall = Date.now, now }: SocketExpirySettings = {}) {
    this.#closer = new Closer(closeTimeout)
    this.#onExpired = onExpired
    this.#wall = wall
    this.#sweep = new Sweep(expiring => this.#expire(expiring), now && { now })
  }

  /** Number of watched sockets. */
  get size (): number {
    return this.#sweep.size
  }

  /** Closes the socket when its identity expires, unless somebody calls {@link takeOverExpiry} before. */
  watch (socket: ExpiringSocket, identity: Pick<WsIdentity, 'subject' | 'expiresAt'>): void {
    takeOverExpiry(socket)
    if (identity.expiresAt === null) return
    const expiring: Expiring = { socket, identity, sweep: this.#sweep, due: 0 }
    ;(socket as WithExpiry)[kExpiring] = expiring
    socket.on('close', onClose)
    this.#sweep.set(expiring, identity.expiresAt - this.#wall())
  }

  /** Acts on every deadline that has passed. The timer does so as well. */
  tick (): void {
    this.#sweep.tick()
  }

  /** Forgets all sockets. */
  close (): void {
    for (const { socket } of [...this.#sweep]) takeOverExpiry(socket)
    this.#sweep.close()
  }

  #expire (expiring: Expiring): void {
    const { socket, identity } = expiring
    const left = (identity.expiresAt ?? Infinity) - this.#wall()
    if (left === Infinity) return takeOverExpiry(socket)
    if (left > 0) return this.#sweep.set(expiring, left)
    takeOverExpiry(socket)
    this.#onExpired(socket, identity)
    // `ws` goes on reading until the peer answers the close frame.
    socket.removeAllListeners('message')
    noteEnding(socket, CloseCode.UNAUTHORIZED, 'token expired')
    this.#closer.close(socket, CloseCode.UNAUTHORIZED, 'token expired')
  }
}

/**
 * Ends the watch of a {@link SocketExpiry}. Code that closes the socket at the expiry of another credential calls it: the
 * handshake, whose client shows a token in its first frame, and the re-checks of introspection.
 */
export function takeOverExpiry (socket: object): void {
  const expiring = (socket as WithExpiry)[kExpiring]
  if (expiring === undefined) return
  ;(socket as WithExpiry)[kExpiring] = undefined
  expiring.sweep.clear(expiring)
  expiring.socket.off('close', onClose)
}

/** One function for all sockets. */
function onClose (this: unknown): void {
  takeOverExpiry(this as object)
}
