import type { WebSocket } from 'ws'
import { type Connection, OPEN } from './connection.js'
import { add, each, type Few, remove, size } from './few.js'

/** The connections of this node, by socket and by user, in the order in which they came. */
export class Registry {
  readonly #connections = new Map<WebSocket, Connection>()
  readonly #subjects = new Map<string, Few<Connection>>()

  get size (): number {
    return this.#connections.size
  }

  get (socket: WebSocket): Connection | undefined {
    return this.#connections.get(socket)
  }

  add (connection: Connection): void {
    const { socket, subject } = connection
    this.#connections.set(socket, connection)
    this.#subjects.set(subject, add(this.#few(subject), connection))
  }

  delete (connection: Connection): void {
    const { socket, subject } = connection
    this.#connections.delete(socket)
    const rest = remove(this.#few(subject), connection)
    if (rest === null) this.#subjects.delete(subject)
    else this.#subjects.set(subject, rest)
  }

  all (): Iterable<Connection> {
    return this.#connections.values()
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
