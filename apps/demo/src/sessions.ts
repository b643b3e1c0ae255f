import { Sweep, type Sweepable } from '@fastify-airlock/core'
import Bowser from 'bowser'

/** One login of a user. */
export interface SessionEntry {
  /** The claim `sid` of its JWTs. It identifies the session, and proves nothing. */
  id: string
  /** The user's id. */
  subject: string
  /** When the user logged in, in milliseconds since the epoch. */
  since: number
  /** The browser and its system, as far as they are known: `Firefox on Linux`. */
  device: string
  /** When its last JWT expires, in milliseconds since the epoch. */
  until: number
}

/** A {@link SessionEntry} with its open sockets. */
export interface CountedSession extends SessionEntry {
  sockets: number
}

/** The part of a WebSocket that is needed to count it. */
export interface Countable {
  once (event: 'close', listener: () => void): unknown
}

interface Kept extends SessionEntry, Sweepable {}

/** How many logins of one user are listed: the latest. Others go on, and are not shown. */
const MAX_PER_USER = 100

/** Longest `User-Agent` that is looked at, in characters. */
const MAX_USER_AGENT = 512

/** Longest text about a device, in characters. */
const MAX_DEVICE = 64

/**
 * The sessions that users can see and end. It decides nothing: what is not in it is valid all the same, and ends by the
 * denylist. Kept in memory; {@link SharedSessions} tells other nodes.
 */
export class Sessions {
  /** By user, the oldest first. */
  readonly #users = new Map<string, Map<string, Kept>>()
  readonly #sockets = new Map<string, number>()
  readonly #sweep = new Sweep<Kept>(({ subject, id }) => { this.#remove(subject, id) }, { resolution: 1_000 })

  /** All sessions that are kept. */
  get entries (): SessionEntry[] {
    return [...this.#users.values()].flatMap(sessions => [...sessions.values()].map(({ due, ...entry }) => entry))
  }

  /** Open sockets of this node, by session. */
  get counts (): Array<[id: string, sockets: number]> {
    return [...this.#sockets]
  }

  /** Notes a session unless it is known. */
  add (entry: SessionEntry): void {
    this.merge(entry)
  }

  /** Adds a session of another node. Of two reports on the same session, the first one counts. */
  merge ({ id, subject, since, device, until }: SessionEntry): boolean {
    let sessions = this.#users.get(subject)
    if (sessions?.has(id) === true) return false
    if (sessions === undefined) this.#users.set(subject, sessions = new Map())
    const kept: Kept = { id, subject, since, device: device.slice(0, MAX_DEVICE), until, due: 0 }
    sessions.set(id, kept)
    this.#sweep.set(kept, until - Date.now())
    if (sessions.size > MAX_PER_USER) this.#remove(subject, [...sessions.keys()][0] as string)
    return true
  }

  /** Counts a socket of this node until it closes. */
  count (socket: Countable, { sid }: { sid?: unknown }): void {
    if (typeof sid !== 'string') return
    this.#change(sid, 1)
    socket.once('close', () => this.#change(sid, -1))
  }

  /** The sessions of a user, the latest first. */
  of (subject: string): CountedSession[] {
    return [...this.#users.get(subject)?.values() ?? []]
      .map(({ due, ...entry }) => ({ ...entry, sockets: this.socketsOf(entry.id) }))
      .sort((a, b) => b.since - a.since)
  }

  /** Open sockets of a session. */
  socketsOf (id: string): number {
    return this.#sockets.get(id) ?? 0
  }

  /** Removes everything. */
  close (): void {
    this.#users.clear()
    this.#sockets.clear()
    this.#sweep.close()
  }

  /** Called when a session has more or fewer sockets on this node. */
  protected onCount (_id: string): void {}

  #change (id: string, by: 1 | -1): void {
    const sockets = this.#sockets.get(id) ?? 0
    if (sockets + by > 0) this.#sockets.set(id, sockets + by)
    else this.#sockets.delete(id)
    this.onCount(id)
  }

  #remove (subject: string, id: string): void {
    const sessions = this.#users.get(subject) as Map<string, Kept>
    this.#sweep.clear(sessions.get(id) as Kept)
    sessions.delete(id)
    if (sessions.size === 0) this.#users.delete(subject)
  }
}

/** What a `User-Agent` says of a device: `Firefox on Linux`, or else its first product, such as `curl`. */
export function deviceOf (userAgent = ''): string {
  const text = userAgent.slice(0, MAX_USER_AGENT)
  const { browser, os } = text === '' ? { browser: {}, os: {} } as Partial<Bowser.Parser.ParsedResult> : Bowser.parse(text)
  const known = [browser?.name, os?.name].filter(name => name !== undefined && name !== '')
  return known.join(' on ') || /^[\w.-]+/.exec(text)?.[0].slice(0, MAX_DEVICE) || 'unknown device'
}
