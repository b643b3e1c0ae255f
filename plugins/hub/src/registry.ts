import type { WebSocket } from 'ws'
import { type Connection, OPEN } from './connection.js'

const NOBODY: ReadonlySet<Connection> = new Set()

/** The connections of this node, by socket and by user, in the order in which they came. */
export class Registry {
  readonly #connections = new Map<WebSocket, Connection>()
  readonly #subjects = new Map<string, Set<Connection>>()

  get size (): number {
    return this.#connections.size
  }

  get (socket: WebSocket): Connection | undefined {
    return this.#connections.get(socket)
  }

  add (connection: Connection): void {
    const { socket, subject } = connection
    this.#connections.set(socket, connection)
    const connections = this.#subjects.get(subject)
    if (connections === undefined) this.#subjects.set(subject, new Set([connection]))
    else connections.add(connection)
  }

  delete ({ socket, subject }: Connection): void {
    const connections = this.#subjects.get(subject) as Set<Connection>
    connections.delete(this.#connections.get(socket) as Connection)
    if (connections.size === 0) this.#subjects.delete(subject)
    this.#connections.delete(socket)
  }

  all (): Iterable<Connection> {
    return this.#connections.values()
  }

  of (subject: string): ReadonlySet<Connection> {
    return this.#subjects.get(subject) ?? NOBODY
  }

  /** Those that are not closing already, oldest first. */
  openOf (subject: string): Connection[] {
    return [...this.of(subject)].filter(({ socket }) => socket.readyState === OPEN)
  }

  subjects (): string[] {
    return [...this.#subjects.keys()]
  }
}
