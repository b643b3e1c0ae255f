import { CloseCode } from '@fastify-airlock/protocol'
import type { FastifyBaseLogger } from 'fastify'
import type { WebSocket } from 'ws'
import { Bus } from './bus.js'
import type { Disconnection, Publication } from './bus-message.js'
import { type Connection, OPEN } from './connection.js'
import { Door, type DoorSettings } from './door.js'
import {
  WSA_HUB_ERR_DATA_SIZE, WSA_HUB_ERR_FILTER, WSA_HUB_ERR_INVALID_CODE, WSA_HUB_ERR_INVALID_TOPIC,
  WSA_HUB_ERR_UNKNOWN_SOCKET
} from './errors.js'
import { channels } from './events.js'
import { FanOut } from './fan-out.js'
import { each, size } from './few.js'
import { createFrame, type Frame } from './frame.js'
import { isSendable, isTopic } from './limits.js'
import { Memberships } from './memberships.js'
import type { ParsedOptions } from './options.js'
import { Outbox } from './outbox.js'
import { Registry } from './registry.js'
import { createStats, type HubHealth, type HubStats } from './status.js'
import type { DisconnectOptions, HubData, HubIdentity, JoinOptions, SendOptions, WsHub } from './types.js'

/** {@link WsHub} as a plain class. */
export class Hub implements WsHub {
  readonly stats: HubStats = createStats()
  readonly #options: ParsedOptions
  readonly #log: FastifyBaseLogger
  readonly #registry = new Registry()
  readonly #bus: Bus | null
  readonly #memberships: Memberships
  readonly #door: Door
  readonly #fanOut: FanOut

  constructor (options: ParsedOptions, log: FastifyBaseLogger, watch?: DoorSettings['watch']) {
    const { bus, busPrefix: prefix, busBeat: beat } = options
    const { stats } = this
    this.#options = options
    this.#log = log
    this.#bus = bus === undefined
      ? null
      : new Bus({ bus, prefix, beat, log, stats: stats.bus, receive: message => this.#receive(message) })
    const memberships = new Memberships(options.maxTopicsPerConnection, this.#bus)
    const door = new Door({
      options, stats, registry: this.#registry, onRemove: connection => memberships.leaveAll(connection), watch
    })
    this.#memberships = memberships
    this.#door = door
    this.#fanOut = new FanOut({
      ...options,
      stats,
      outbox: new Outbox(),
      terminate: (connection, reason) => door.terminate(connection, reason),
      onError: err => log.error({ err }, 'a connection failed to take a message and was terminated')
    })
  }

  add (socket: WebSocket, identity: HubIdentity): boolean {
    return this.#door.add(socket, identity)
  }

  join (socket: WebSocket, topic: string, { wildcard = false }: JoinOptions = {}): boolean {
    const connection = this.#find(socket)
    if (connection === undefined) return false
    this.#memberships.join(connection, topic, wildcard)
    return true
  }

  async requestJoin (socket: WebSocket, topic: unknown, { wildcard = false }: JoinOptions = {}): Promise<boolean> {
    const connection = this.#find(socket)
    if (connection === undefined || !isTopic(topic, wildcard)) return false
    try {
      if (await this.#options.authorizeTopic(connection.identity, topic, { wildcard }) !== true) return false
    } catch (err) {
      this.#log.error({ err }, 'a topic could not be authorised')
      return false
    }
    // Much may have happened meanwhile, other requests of this client among it.
    if (this.#registry.get(socket) === undefined || this.#memberships.isFull(connection)) return false
    this.#memberships.join(connection, topic, wildcard)
    return true
  }

  leave (socket: WebSocket, topic: string, { wildcard = false }: JoinOptions = {}): boolean {
    const connection = this.#find(socket)
    return connection !== undefined && this.#memberships.leave(connection, topic, wildcard)
  }

  async subscribed (): Promise<boolean> {
    return this.#bus === null || await this.#bus.subscribed()
  }

  publish (topic: string, data: HubData, options?: SendOptions): number {
    if (!isTopic(topic)) throw new WSA_HUB_ERR_INVALID_TOPIC()
    return this.#send(topic, data, options)
  }

  broadcast (data: HubData, options?: SendOptions): number {
    return this.#send(null, data, options)
  }

  connectionsOf (subject: string): ReadonlySet<WebSocket> {
    const sockets = new Set<WebSocket>()
    for (const { socket } of this.#registry.of(subject)) sockets.add(socket)
    return sockets
  }

  disconnect (
    subject: string,
    { code = CloseCode.FORBIDDEN, reason = 'disconnected' }: DisconnectOptions = {}
  ): number {
    if (!isSendable(code)) throw new WSA_HUB_ERR_INVALID_CODE(code)
    this.#bus?.disconnect(subject, code, reason)
    return this.#door.disconnect({ subject, code, reason, age: 0 })
  }

  count (topic?: string): number {
    return topic === undefined ? this.#registry.size : size(this.#memberships.members(topic))
  }

  subjects (topic?: string): string[] {
    if (topic === undefined) return this.#registry.subjects()
    const subjects = new Set<string>()
    for (const { subject } of each(this.#memberships.members(topic))) subjects.add(subject)
    return [...subjects]
  }

  topics ({ wildcard = false }: JoinOptions = {}): string[] {
    return this.#memberships.names(wildcard)
  }

  health (): HubHealth {
    const bus = this.#bus?.state ?? 'none'
    return {
      status: bus === 'down' ? 'degraded' : 'ok',
      bus,
      draining: this.#door.draining,
      connections: this.#registry.size
    }
  }

  drain (): Promise<void> {
    return this.#door.drain()
  }

  /** Ends what the hub has on the bus. */
  close (): void {
    this.#bus?.close()
  }

  #send (topic: string | null, data: HubData, options: SendOptions = {}): number {
    const { maxBufferedBytes } = this.#options
    const frame = createFrame(data)
    if (frame.bytes.length > maxBufferedBytes) throw new WSA_HUB_ERR_DATA_SIZE(frame.bytes.length, maxBufferedBytes)
    if (this.#bus !== null && options.local !== true) {
      if (options.filter !== undefined) throw new WSA_HUB_ERR_FILTER()
      this.#bus.publish(topic, frame)
    }
    return this.#deliver(topic, frame, options)
  }

  #receive (message: Publication | Disconnection): void {
    if (message.kind === 'disconnect') {
      this.#door.disconnect(message)
    } else if (message.frame.bytes.length > this.#options.maxBufferedBytes) {
      // Another node may allow more. Here nobody could take it, and everybody would be ended for it.
      this.stats.bus.invalid++
    } else {
      this.#deliver(message.topic, message.frame)
    }
  }

  #deliver (topic: string | null, frame: Frame, options?: SendOptions): number {
    const to = topic === null ? this.#registry.all() : each(this.#memberships.members(topic))
    const connections = this.#fanOut.deliver(to, frame, options)
    if (channels.deliver.hasSubscribers) channels.deliver.publish({ topic, bytes: frame.bytes.length, connections })
    return connections
  }

  #find (socket: WebSocket): Connection | undefined {
    const connection = this.#registry.get(socket)
    // Closing takes a socket out at any moment, which is no mistake of the caller's.
    if (connection === undefined && socket.readyState === OPEN) throw new WSA_HUB_ERR_UNKNOWN_SOCKET()
    return connection
  }
}
