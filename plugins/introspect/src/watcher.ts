import { isDeepStrictEqual } from 'node:util'
import {
  announceIdentityChange, Closer, copyOf, logoutCode, noteEnding, ofServer, Sweep, type Sweepable, takeOverExpiry, type WsClaims, type WsIdentity
} from '@fastify-airlock/core'
import { CloseCode } from '@fastify-airlock/protocol'
import type { WebSocket } from 'ws'
import type { Answers } from './answers.js'
import { recheckOf } from './asker.js'
import { channels, type IntrospectCloseEvent } from './events.js'
import type { Outcome, Outcomes } from './recheck.js'
import type { IntrospectStats } from './stats.js'
import type { Introspected, Verdict } from './verdict.js'

/** The token that a request was admitted with, and what was found out about it. */
export interface Grant extends Required<Introspected> {
  token: string
  /** {@link Answers.forgotten} before the token was checked. */
  forgotten: number
}

/** Settings of a {@link Watcher}. */
export interface WatcherSettings {
  answers: Pick<Answers, 'ask' | 'forget' | 'forgotten'>
  /** Longest time between two checks of a connection, in milliseconds. */
  interval: number
  /** How long a connection is kept without a successful check, in milliseconds. */
  maxStale: number
  stats: IntrospectStats
  /** The HTTP server, of which events tell. */
  server?: object | undefined
  /**
   * A monotonic clock, in milliseconds.
   * @default performance.now
   */
  now?: () => number
  /**
   * The time of day, in milliseconds since the epoch.
   * @default Date.now
   */
  wall?: () => number
  /**
   * A random number of at least 0 and below 1.
   * @default Math.random
   */
  random?: () => number
}

interface Watched extends Sweepable {
  readonly socket: WebSocket
  readonly identity: WsIdentity
  readonly subject: string
  readonly token: string
  /** The claims that this watcher has put into the identity. */
  claims: WsClaims
  /** When the token expires, in milliseconds since the epoch. */
  expiresAt: number
  /** Time of the last good answer, in milliseconds of the monotonic clock. */
  confirmed: number
}

/** A failed check is repeated after this part of the interval. */
const RETRY = 1 / 5

/** Number of connections of one user that are checked at once. */
const BATCH_SIZE = 100

/** Re-checks open connections. Each has one deadline; all share one timer. */
export class Watcher {
  readonly #answers: WatcherSettings['answers']
  readonly #interval: number
  readonly #maxStale: number
  readonly #stats: IntrospectStats
  readonly #server: object | undefined
  readonly #now: () => number
  readonly #wall: () => number
  readonly #random: () => number
  readonly #sweep: Sweep<Watched>
  readonly #closer = new Closer()
  readonly #sockets = new Map<WebSocket, Watched>()
  readonly #subjects = new Map<string, Set<Watched>>()
  // One function serves all connections: `ws` calls a listener with the socket as `this`.
  readonly #onClose: (this: WebSocket) => void

  constructor ({
    answers, interval, maxStale, stats, server, now = () => performance.now(), wall = Date.now, random = Math.random
  }: WatcherSettings) {
    this.#answers = answers
    this.#interval = interval
    this.#maxStale = maxStale
    this.#stats = stats
    this.#server = server
    this.#now = now
    this.#wall = wall
    this.#random = random
    const resolution = Math.min(1_000, Math.ceil(Math.min(interval, maxStale) / 10))
    this.#sweep = new Sweep(watched => { this.#check(watched) }, { resolution, now })
    const unwatch = this.unwatch.bind(this)
    this.#onClose = function () { unwatch(this) }
  }

  /** Number of watched connections. */
  get size (): number {
    return this.#sockets.size
  }

  /** See {@link WsIntrospect.watch}. */
  watch (socket: WebSocket, identity: WsIdentity, grant: Grant): boolean {
    if (this.#sockets.has(socket)) return true
    if (socket.readyState !== socket.OPEN) return false
    const { subject, token, claims } = grant
    const watched: Watched = {
      socket, identity, subject, token: copyOf(token), claims, expiresAt: grant.expiresAt ?? Infinity, confirmed: this.#now(), due: 0
    }
    // The authority is asked at the expiry, and may have put it off.
    takeOverExpiry(socket)
    this.#sockets.set(socket, watched)
    const siblings = this.#subjects.get(subject)
    if (siblings === undefined) this.#subjects.set(subject, new Set([watched]))
    else siblings.add(watched)
    socket.on('close', this.#onClose)
    this.#schedule(watched, this.#interval)
    // Something was forgotten since the token was checked, perhaps this answer.
    if (grant.forgotten !== this.#answers.forgotten) this.#check(watched)
    return true
  }

  /** See {@link WsIntrospect.unwatch}. */
  unwatch (socket: WebSocket): boolean {
    const watched = this.#sockets.get(socket)
    if (watched === undefined) return false
    this.#sockets.delete(socket)
    const siblings = this.#subjects.get(watched.subject) as Set<Watched>
    siblings.delete(watched)
    if (siblings.size === 0) this.#subjects.delete(watched.subject)
    this.#sweep.clear(watched)
    socket.off('close', this.#onClose)
    return true
  }

  /** See {@link WsIntrospect.recheck}. */
  async recheck (subject: string): Promise<Outcomes> {
    this.#answers.forget(subject)
    const rechecked: Outcomes = { kept: 0, closed: 0, unknown: 0 }
    const all = [...this.#subjects.get(subject) ?? []]
    for (let start = 0; start < all.length; start += BATCH_SIZE) {
      // If all connections have the same token, one answer closes all of them at once.
      if (start > 0) await new Promise(resolve => setImmediate(resolve))
      await Promise.all(all.slice(start, start + BATCH_SIZE).map(async watched => { rechecked[await this.#check(watched)]++ }))
    }
    return rechecked
  }

  /** Acts on every deadline that has passed. The timer calls it, and so do tests. */
  tick (): void {
    this.#sweep.tick()
  }

  /** Stops watching all connections, and stops the timer. */
  close (): void {
    for (const socket of this.#sockets.keys()) this.unwatch(socket)
    this.#sweep.close()
  }

  /** Checks a connection; never rejects. */
  async #check (watched: Watched): Promise<Outcome> {
    const verdict = await this.#ask(watched)
    if (this.#sockets.get(watched.socket) !== watched) return 'closed'
    if (verdict !== null && typeof verdict !== 'string') return this.#confirm(watched, verdict)

    if (verdict === 'expired' || watched.expiresAt <= this.#wall()) {
      return this.#end(watched, CloseCode.UNAUTHORIZED, 'token expired')
    }
    if (verdict !== null) return this.#end(watched, logoutCode(watched.socket), 'token revoked')

    const left = watched.confirmed + this.#maxStale - this.#now()
    // This is not the client's fault: a later attempt may succeed.
    if (left <= 0) return this.#end(watched, CloseCode.TRY_AGAIN_LATER, 'token cannot be checked')
    this.#schedule(watched, this.#interval * RETRY, left)
    return 'unknown'
  }

  /** Finds a verdict; `null` if the authority cannot be asked. */
  async #ask ({ token, subject }: Watched): Promise<Verdict | null> {
    try {
      return await this.#answers.ask(token, () => recheckOf(subject))
    } catch {
      return null
    }
  }

  #confirm (watched: Watched, { subject, claims, expiresAt }: Required<Introspected>): Outcome {
    if (subject !== watched.subject) return this.#end(watched, CloseCode.FORBIDDEN, 'subject mismatch')
    const { identity } = watched
    // Other claims come from another proof, such as the first frame of a handshake: they stay.
    if (identity.claims === watched.claims) {
      const changed = identity.expiresAt !== expiresAt || !isDeepStrictEqual(identity.claims, claims)
      identity.claims = watched.claims = { ...claims }
      identity.expiresAt = expiresAt
      if (changed) announceIdentityChange(identity)
    }
    watched.expiresAt = expiresAt ?? Infinity
    watched.confirmed = this.#now()
    this.#schedule(watched, this.#interval)
    return 'kept'
  }

  /** Schedules the next check at random within `delay`, so that checks of many connections are spread. */
  #schedule (watched: Watched, delay: number, limit = Infinity): void {
    const spread = delay * (1 + this.#random()) / 2
    this.#sweep.set(watched, Math.min(spread, limit, watched.expiresAt - this.#wall()))
  }

  #end (watched: Watched, code: number, reason: string): 'closed' {
    const { socket, subject } = watched
    this.unwatch(socket)
    this.#stats.closed++
    noteEnding(socket, code, reason)
    this.#closer.close(socket, code, reason)
    if (channels.close.hasSubscribers) {
      channels.close.publish(ofServer({ socket, subject, code, reason }, this.#server) satisfies IntrospectCloseEvent)
    }
    return 'closed'
  }
}
