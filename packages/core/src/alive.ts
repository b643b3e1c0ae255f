import { ALIVE_MESSAGE } from '@fastify-airlock/protocol'
import { Sweep, type Sweepable } from './sweep.js'

/** Looks in one interval: so much later than due a sign of life may come. */
const LOOKS = 8

/** Longest time between two looks, in milliseconds: less than a client waits beyond the interval. */
const LONGEST_LOOK_MS = 5_000

/** The part of a `ws` WebSocket that it uses. */
export interface Living {
  readonly OPEN: number
  readonly readyState: number
  send (data: string): void
  ping (data?: any, mask?: boolean, callback?: (error: Error) => void): void
  pong (data?: any, mask?: boolean, callback?: (error: Error) => void): void
}

const kLife = Symbol('airlock.alive')

/** What is known of a connection that wants signs of life. */
class Life implements Sweepable {
  due = 0
  readonly socket: Living
  /** Bytes of pings and pongs. They are no sign of life for a page, which does not see them. */
  control = 0
  seen = 0
  silentSince = 0
  readonly #transport: { readonly bytesWritten: number } | undefined

  constructor (socket: Living, transport: unknown) {
    this.socket = socket
    const known = transport as { readonly bytesWritten: number } | undefined
    this.#transport = typeof known?.bytesWritten === 'number' ? known : undefined
  }

  /** Bytes of messages so far. Whatever writes them, and however: `ws`, a hub or a library. */
  get written (): number {
    return (this.#transport?.bytesWritten ?? 0) - this.control
  }
}

type Lively = Living & { [kLife]?: Life }

// One function each for all sockets. They are public methods, and `ws` answers a ping by `pong` of the socket. If it no longer
// did, an answered ping would count as a message, and put the next sign of life off.
function ping (this: Lively, ...args: Parameters<Living['ping']>): void {
  uncounted(this, 'ping', args)
}

function pong (this: Lively, ...args: Parameters<Living['pong']>): void {
  uncounted(this, 'pong', args)
}

/** What is written meanwhile is the frame, whatever its data is: `ws` takes numbers, strings, buffers of all kinds and none. */
function uncounted (socket: Lively, method: 'ping' | 'pong', args: Parameters<Living['ping']>): void {
  const life = socket[kLife] as Life
  const before = life.written
  Object.getPrototypeOf(socket)[method].apply(socket, args)
  life.control += life.written - before
}

/**
 * Sends `{"type":"alive"}` on connections on which nothing was sent for so long (PROTOCOL.md, section 6.9). It compares how
 * many bytes were written, a few times in each interval, and so costs nothing where something is sent.
 *
 * @example
 * const signs = new SignsOfLife(25_000)
 * signs.watch(socket, request.raw.socket)
 */
export class SignsOfLife {
  readonly #interval: number
  readonly #look: number
  readonly #now: () => number
  readonly #sweep: Sweep<Life>

  /**
   * @param interval milliseconds of silence
   * @param now a monotonic clock, in milliseconds
   * @default now performance.now
   */
  constructor (interval: number, now: () => number = () => performance.now()) {
    this.#interval = interval
    this.#look = Math.min(interval / LOOKS, LONGEST_LOOK_MS)
    this.#now = now
    this.#sweep = new Sweep(life => this.#check(life), { resolution: Math.ceil(Math.min(100, this.#look)), now })
  }

  /** Connections that are watched. One that has closed leaves at the next look. */
  get size (): number {
    return this.#sweep.size
  }

  /**
   * Begins, until the socket closes. The interval starts now.
   *
   * @param transport the `net.Socket` underneath. Without one, as with `injectWS`, a sign of life comes in each interval
   */
  watch (socket: Living, transport?: unknown): void {
    const life = new Life(socket, transport)
    Object.assign(socket, { [kLife]: life, ping, pong })
    life.seen = life.written
    life.silentSince = this.#now()
    this.#sweep.set(life, this.#look)
  }

  /** Acts on every deadline that has passed, for tests: the timer does it by itself. */
  tick (): void {
    this.#sweep.tick()
  }

  /** Watches nothing any longer, and stops the timer. */
  close (): void {
    this.#sweep.close()
  }

  #check (life: Life): void {
    const { socket } = life
    if (socket.readyState !== socket.OPEN) return
    const now = this.#now()
    const silent = life.written === life.seen
    const overdue = now - life.silentSince >= this.#interval
    if (silent && overdue) socket.send(ALIVE_MESSAGE)
    if (!silent || overdue) {
      life.seen = life.written
      life.silentSince = now
    }
    this.#sweep.set(life, Math.min(this.#look, life.silentSince + this.#interval - now))
  }
}
