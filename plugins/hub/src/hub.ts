import { Closer } from '@fastify-airlock/core'
import { CloseCode } from '@fastify-airlock/protocol'
import type { WebSocket } from 'ws'
import { Connection, OPEN } from './connection.js'
import { InvalidCodeError, InvalidSubjectError, SubjectChangedError, UnknownSocketError } from './errors.js'
import { createFrame } from './frame.js'
import type { DisconnectOptions, HubData, HubIdentity, SendOptions, WsHub } from './types.js'

const NOBODY: ReadonlySet<Connection> = new Set()

/** Settings of a {@link Hub}. */
export interface HubSettings {
  /** Time a peer has to answer the close frame, in milliseconds. */
  closeTimeout: number
  /** Told what a connection threw at a delivery. */
  onError: (error: unknown) => void
}

/** {@link WsHub} as a plain class. */
export class Hub implements WsHub {
  readonly #connections = new Map<WebSocket, Connection>()
  readonly #subjects = new Map<string, Set<Connection>>()
  readonly #topics = new Map<string, Set<Connection>>()
  readonly #closer: Closer
  readonly #onError: HubSettings['onError']
  readonly #onClose: (this: WebSocket) => void

  constructor ({ closeTimeout, onError }: HubSettings) {
    this.#closer = new Closer(closeTimeout)
    this.#onError = onError
    const remove = this.#remove.bind(this)
    // One listener for all sockets: it finds its own as `this`.
    this.#onClose = function () { remove(this) }
  }

  add (socket: WebSocket, { subject }: HubIdentity): boolean {
    if (typeof subject !== 'string' || subject === '') throw new InvalidSubjectError()
    if (socket.readyState !== OPEN) return false
    const known = this.#connections.get(socket)
    if (known !== undefined) {
      if (known.subject !== subject) throw new SubjectChangedError()
      return true
    }
    const connection = new Connection(socket, subject)
    this.#connections.set(socket, connection)
    insert(this.#subjects, subject, connection)
    socket.on('close', this.#onClose)
    return true
  }

  join (socket: WebSocket, topic: string): boolean {
    const connection = this.#find(socket)
    if (connection === undefined) return false
    connection.topics ??= new Set()
    connection.topics.add(topic)
    insert(this.#topics, topic, connection)
    return true
  }

  leave (socket: WebSocket, topic: string): boolean {
    const connection = this.#find(socket)
    if (!connection?.topics?.delete(topic)) return false
    withdraw(this.#topics, topic, connection)
    return true
  }

  publish (topic: string, data: HubData, options?: SendOptions): number {
    return this.#deliver(this.#members(topic), data, options)
  }

  broadcast (data: HubData, options?: SendOptions): number {
    return this.#deliver(this.#members(), data, options)
  }

  connectionsOf (subject: string): ReadonlySet<WebSocket> {
    const sockets = new Set<WebSocket>()
    for (const { socket } of this.#subjects.get(subject) ?? NOBODY) sockets.add(socket)
    return sockets
  }

  disconnect (
    subject: string,
    { code = CloseCode.FORBIDDEN, reason = 'disconnected' }: DisconnectOptions = {}
  ): number {
    if (!isSendable(code)) throw new InvalidCodeError(code)
    let open = 0
    for (const { socket } of this.#subjects.get(subject) ?? NOBODY) {
      if (socket.readyState === OPEN) open++
      // `ws` goes on reading until the peer answers the close frame: an expelled user must not be obeyed meanwhile.
      socket.removeAllListeners('message')
      this.#closer.close(socket, code, reason)
    }
    return open
  }

  count (topic?: string): number {
    return topic === undefined ? this.#connections.size : this.#topics.get(topic)?.size ?? 0
  }

  subjects (topic?: string): string[] {
    if (topic === undefined) return [...this.#subjects.keys()]
    const subjects = new Set<string>()
    for (const { subject } of this.#members(topic)) subjects.add(subject)
    return [...subjects]
  }

  topics (): string[] {
    return [...this.#topics.keys()]
  }

  #members (topic?: string): Iterable<Connection> {
    return topic === undefined ? this.#connections.values() : this.#topics.get(topic) ?? NOBODY
  }

  #deliver (connections: Iterable<Connection>, data: HubData, options: SendOptions | undefined): number {
    const frame = createFrame(data)
    const except = options?.except
    let delivered = 0
    for (const connection of connections) {
      if (connection.socket === except) continue
      try {
        if (connection.deliver(frame)) delivered++
      } catch (error) {
        this.#onError(error)
        // It has missed a message: better that its client connects again than that it goes on with a gap.
        connection.socket.terminate()
      }
    }
    return delivered
  }

  #find (socket: WebSocket): Connection | undefined {
    const connection = this.#connections.get(socket)
    // Closing takes a socket out at any moment, which is no mistake of the caller's.
    if (connection === undefined && socket.readyState === OPEN) throw new UnknownSocketError()
    return connection
  }

  #remove (socket: WebSocket): void {
    const connection = this.#connections.get(socket) as Connection
    this.#connections.delete(socket)
    withdraw(this.#subjects, connection.subject, connection)
    for (const topic of connection.topics ?? []) withdraw(this.#topics, topic, connection)
  }
}

function insert (index: Map<string, Set<Connection>>, key: string, connection: Connection): void {
  const members = index.get(key)
  if (members === undefined) index.set(key, new Set([connection]))
  else members.add(connection)
}

function withdraw (index: Map<string, Set<Connection>>, key: string, connection: Connection): void {
  const members = index.get(key) as Set<Connection>
  members.delete(connection)
  if (members.size === 0) index.delete(key)
}

/** RFC 6455, section 7.4, and the IANA registry: 1004 to 1006 and 1015 are never sent, 1016 to 2999 are not assigned. */
function isSendable (code: number): boolean {
  return Number.isInteger(code) &&
    ((code >= 1000 && code <= 1014 && !(code >= 1004 && code <= 1006)) || (code >= 3000 && code <= 4999))
}
