import { randomBytes } from 'node:crypto'
import type { WebSocket } from 'ws'
import { add, type CompactSet, each, remove, size } from './compact-set.js'
import { type Connection, OPEN } from './connection.js'

interface WithConnection {
  [key: symbol]: Connection | undefined
}

/**
 * The connections of this node by user, in the order in which the users came. A member of each socket leads to its
 * connection, since one more `Map` would be a sixth of what an idle connection costs here.
 */
export class Registry {
  /** The member of a socket that holds its connection; another one in each hub, since a socket may be in several. */
  readonly key = Symbol('airlock connection')
  readonly #subjects = new Map<string, CompactSet<Connection>>()
  /** The connections that somebody has asked the id of. */
  readonly #ids = new Map<string, Connection>()
  readonly #node = randomBytes(9).toString('base64url')
  #lastId = 0
  #size = 0

  get size (): number {
    return this.#size
  }

  get (socket: WebSocket): Connection | undefined {
    return (socket as unknown as WithConnection)[this.key]
  }

  add (connection: Connection): void {
    const { socket, subject } = connection
    ;(socket as unknown as WithConnection)[this.key] = connection
    this.#subjects.set(subject, add(this.#connectionsOf(subject), connection))
    this.#size++
  }

  delete (connection: Connection): void {
    const { socket, subject } = connection
    ;(socket as unknown as WithConnection)[this.key] = undefined
    const rest = remove(this.#connectionsOf(subject), connection)
    if (rest === null) this.#subjects.delete(subject)
    else this.#subjects.set(subject, rest)
    this.#size--
    if (connection.id !== undefined) this.#ids.delete(connection.id)
  }

  /** The id of a connection. It takes memory from the first question on. */
  idOf (connection: Connection): string {
    connection.id ??= `${this.#node}.${++this.#lastId}`
    this.#ids.set(connection.id, connection)
    return connection.id
  }

  /** The connection of this node that has an id. */
  byId (id: string): Connection | undefined {
    return this.#ids.get(id)
  }

  * all (): Generator<Connection, void, undefined> {
    for (const connections of this.#subjects.values()) yield * each(connections)
  }

  /** The connections of one user, oldest first. */
  of (subject: string): Iterable<Connection> {
    return each(this.#connectionsOf(subject))
  }

  /** How many connections a user has. */
  sizeOf (subject: string): number {
    return size(this.#connectionsOf(subject))
  }

  /** The connections of one user that are not closing, oldest first. */
  openOf (subject: string): Connection[] {
    return [...this.of(subject)].filter(({ socket }) => socket.readyState === OPEN)
  }

  subjects (): string[] {
    return [...this.#subjects.keys()]
  }

  #connectionsOf (subject: string): CompactSet<Connection> {
    return this.#subjects.get(subject) ?? null
  }
}
