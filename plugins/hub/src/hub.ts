import { bindMethods, watchSockets } from '@fastify-airlock/core'
import { CloseCode } from '@fastify-airlock/protocol'
import type { FastifyBaseLogger } from 'fastify'
import type { WebSocket, WebSocketServer } from 'ws'
import { Admission } from './admission.js'
import { BusClient } from './bus-client.js'
import type { Publication } from './bus-message.js'
import { isSendableCode, isTopic } from './checks.js'
import { each, size } from './compact-set.js'
import { type Connection, OPEN } from './connection.js'
import {
  WSA_HUB_ERR_DATA_SIZE, WSA_HUB_ERR_FILTER, WSA_HUB_ERR_INVALID_CODE, WSA_HUB_ERR_INVALID_TOPIC,
  WSA_HUB_ERR_UNKNOWN_SOCKET
} from './errors.js'
import { channels } from './events.js'
import { FanOut } from './fan-out.js'
import { createFrame, type Frame } from './frame.js'
import { canShareFrames } from './internals.js'
import { Memberships } from './memberships.js'
import { DENY, type HubSettings } from './options.js'
import { Registry } from './registry.js'
import { createStats, type HubHealth, type HubStats } from './status.js'
import type { DisconnectOptions, HubData, HubIdentity, JoinOptions, SendOptions, WsHub } from './types.js'

/** The code of the warning about topics that no client gets. Given at the first one. */
export const NO_ANSWER = 'WSA_HUB_WARN_AUTHORIZE_TOPIC'

/** {@link WsHub} as a plain class. */
export class Hub implements WsHub {
  readonly messageRate: HubSettings['messageRate']
  readonly stats: HubStats = createStats()
  readonly #settings: HubSettings
  readonly #log: FastifyBaseLogger
  readonly #registry = new Registry()
  #warned = false
  readonly #bus: BusClient | null
  readonly #memberships: Memberships
  readonly #admission: Admission
  readonly #fanOut: FanOut

  /** @param server the server whose sockets are added; others may be added as well */
  constructor (settings: HubSettings, log: FastifyBaseLogger, server?: WebSocketServer) {
    const { bus, busPrefix: prefix, busBeat: beat } = settings
    const { stats } = this
    this.#settings = settings
    this.messageRate = settings.messageRate
    this.#log = log
    this.#bus = bus === undefined
      ? null
      : new BusClient({
        bus,
        prefix,
        beat,
        log,
        stats: stats.bus,
        onPublication: publication => this.#receive(publication),
        onDisconnect: command => { this.#admission.disconnect(command) }
      })
    const memberships = new Memberships(settings.maxTopicsPerConnection, this.#bus)
    const admission = new Admission({
      options: settings,
      stats,
      registry: this.#registry,
      canShare: canShareFrames(server, log),
      onRemove: connection => memberships.leaveAll(connection),
      watch: server && ((key, watcher) => watchSockets(server, key, watcher, log))
    })
    this.#memberships = memberships
    this.#admission = admission
    this.#fanOut = new FanOut({
      ...settings,
      stats,
      terminate: (connection, reason) => admission.terminate(connection, reason),
      onError: err => log.error({ err }, 'a connection failed to take a message and was terminated')
    })
    bindMethods(this)
  }

  add (socket: WebSocket, identity: HubIdentity): boolean {
    return this.#admission.add(socket, identity)
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
      const allowed = await this.#settings.authorizeTopic(connection.identity, topic, { wildcard })
      if (allowed !== true) {
        this.#explain(allowed)
        return false
      }
    } catch (err) {
      this.#log.error({ err }, 'a topic could not be authorized')
      return false
    }
    // The connection may have closed meanwhile, or have joined other topics.
    if (this.#registry.get(socket) === undefined || this.#memberships.isFull(connection)) return false
    this.#memberships.join(connection, topic, wildcard)
    return true
  }

  leave (socket: WebSocket, topic: string, { wildcard = false }: JoinOptions = {}): boolean {
    const connection = this.#find(socket)
    return connection !== undefined && this.#memberships.leave(connection, topic, wildcard)
  }

  async busReady (): Promise<boolean> {
    return this.#bus === null || await this.#bus.ready()
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
    if (!isSendableCode(code)) throw new WSA_HUB_ERR_INVALID_CODE(code)
    this.#bus?.disconnect(subject, code, reason)
    return this.#admission.disconnect({ subject, code, reason, age: 0 })
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
      draining: this.#admission.draining,
      connections: this.#registry.size
    }
  }

  drain (): Promise<void> {
    return this.#admission.drain()
  }

  /** Ends what the hub has on the bus. */
  close (): void {
    this.#bus?.close()
  }

  #send (topic: string | null, data: HubData, options: SendOptions = {}): number {
    const { maxBufferedBytes } = this.#settings
    const frame = createFrame(data)
    if (frame.bytes.length > maxBufferedBytes) throw new WSA_HUB_ERR_DATA_SIZE(frame.bytes.length, maxBufferedBytes)
    if (this.#bus !== null && options.local !== true) {
      if (options.filter !== undefined) throw new WSA_HUB_ERR_FILTER()
      this.#bus.publish(topic, frame)
    }
    return this.#deliver(topic, frame, options)
  }

  #receive ({ topic, frame }: Publication): void {
    // Another node may allow more. No connection here could take it, and all would be terminated for it.
    if (frame.bytes.length > this.#settings.maxBufferedBytes) this.stats.bus.invalid++
    else this.#deliver(topic, frame)
  }

  /** Sends a frame to the connections of this node. */
  #deliver (topic: string | null, frame: Frame, options?: SendOptions): number {
    const to = topic === null ? this.#registry.all() : each(this.#memberships.members(topic))
    const connections = this.#fanOut.distribute(to, frame, options)
    if (channels.deliver.hasSubscribers) channels.deliver.publish({ topic, bytes: frame.bytes.length, connections })
    return connections
  }

  /** A client cannot cure either of these. */
  #explain (allowed: unknown): void {
    const isMissing = this.#settings.authorizeTopic === DENY
    if (this.#warned || (!isMissing && allowed === false)) return
    this.#warned = true
    this.#log.warn({ code: NO_ANSWER }, isMissing
      ? 'A client asked for a topic, and there is no authorizeTopic, so every topic is denied: give wsHub one'
      : `authorizeTopic returned ${allowed === null ? 'null' : typeof allowed} in place of true or false, which denies: return a boolean`)
  }

  #find (socket: WebSocket): Connection | undefined {
    const connection = this.#registry.get(socket)
    // A socket may close at any moment, and leaves the registry then: the caller has made no mistake.
    if (connection === undefined && socket.readyState === OPEN) throw new WSA_HUB_ERR_UNKNOWN_SOCKET()
    return connection
  }
}
