import type { WebSocket } from 'ws'
import { type Connection, OPEN } from './connection.js'
import { add, each, type Few, remove, size } from './few.js'

interface WithConnection {
  [key: symbol]: Connection | undefined
}

/**
 * The connections of this node, by user in the order in which the users came. Each is found by a property of its socket,
 * since one more `Map` would be a sixth of what an idle connection costs here.
 */
export class Registry {
  /** The member of a socket that its connection is in; one for each hub, since a socket may be in several. */
  readonly key = Symbol('airlock connection')
  readonly #subjects = new Map<string, Few<Connection>>()
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
    this.#subjects.set(subject, add(this.#few(subject), connection))
    this.#size++
  }

  delete (connection: Connection): void {
    const { socket, subject } = connection
    ;(socket as unknown as WithConnection)[this.key] = undefined
    const rest = remove(this.#few(subject), connection)
    if (rest === null) this.#subjects.delete(subject)
    else this.#subjects.set(subject, rest)
    this.#size--
  }

  * all (): Generator<Connection, void, undefined> {
    for (const few of this.#subjects.values()) yield * each(few)
  }

  /** Those of one user, oldest first. */
  of (subject: string): Iterable<Connection> {
    return each(this.#few(subject))
  }

  /** How many those are. */
  sizeOf (subject: string): number {
    return size(this.#few(subject))
  }

  /** Those that are not closing already, oldest first. */
  openOf (subject: string): Connection[] {
    return [...this.of(subject)].filter(({ socket }) => socket.readyState === OPEN)
  }

  subjects (): string[] {
    return [...this.#subjects.keys()]
  }

  #few (subject: string): Few<Connection> {
    return this.#subjects.get(subject) ?? null
  }
}
