import { randomBytes } from 'node:crypto'
import { bindMethods, logError, type MemberWatcher, Misuse, RecentOrders, setPlaces, setTopicHost, type TopicGuest, watchSockets } from '@fastify-airlock/core'
import { CloseCode } from '@fastify-airlock/protocol'
import type { FastifyBaseLogger } from 'fastify'
import type { WebSocket, WebSocketServer } from 'ws'
import { Admission } from './admission.js'
import { auditNoTopic } from './audit.js'
import { BusClient } from './bus-client.js'
import type { Publication } from './bus-message.js'
import { isTopic } from './checks.js'
import { Cluster, TELL_ORDER } from './cluster.js'
import { ClusterLimit } from './cluster-limit.js'
import type { AskOptions, HubNode, NodeListener, TellListener, TellOptions } from './cluster-types.js'
import { each, size } from './compact-set.js'
import { type Connection, OPEN } from './connection.js'
import { WSA_HUB_ERR_DATA_SIZE, WSA_HUB_ERR_FILTER, WSA_HUB_ERR_INVALID_TOPIC, WSA_HUB_ERR_UNKNOWN_SOCKET } from './errors.js'
import { channels, type HubOwner, ofHub } from './events.js'
import { FanOut } from './fan-out.js'
import { createFrame, type Frame } from './frame.js'
import { canShareFrames } from './internals.js'
import { Memberships } from './memberships.js'
import type { HubSettings } from './options.js'
import { createOrder, createRelayedOrder, createRightsOrder, type DisconnectOrder, type Order, type RightsOrder, timeoutOf } from './order.js'
import { Registry } from './registry.js'
import { readAnswers, Relay } from './relay.js'
import { Rights, type RightsSelection } from './rights.js'
import { type CounterStats, createStats, type HubHealth, type HubStats } from './status.js'
import { NO_ANSWER, TopicCheck } from './topic-check.js'
import { HubTopicHost } from './topic-host.js'
import type {
  DisconnectAllOptions, DisconnectOptions, DisconnectOutcome, DisconnectTarget, EvictOptions, GiveOrderOptions, HubData, HubIdentity, JoinOptions,
  OrderAnswers, OrderListener, Reauthorized, ReauthorizeOptions, SendOptions, WsHub
} from './types.js'
import { Waits } from './waits.js'

/** The clocks of a {@link Hub}. */
export interface HubClock {
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
}

/** {@link WsHub} as a plain class. */
export class Hub implements WsHub {
  readonly node = randomBytes(9).toString('base64url')
  readonly messageRate: HubSettings['messageRate']
  readonly stats: HubStats
  readonly #settings: HubSettings
  readonly #owner: HubOwner
  readonly #registry = new Registry()
  readonly #bus: BusClient | null
  readonly #memberships: Memberships
  readonly #admission: Admission
  readonly #fanOut: FanOut
  readonly #relay: Relay
  readonly #cluster: Cluster
  readonly #limit: ClusterLimit | null
  readonly #rights: Rights
  readonly #check: TopicCheck
  /** The plugin for topics, if there is one. */
  #guest: TopicGuest | null = null
  /** The plugin that shows who is there, if there is one. */
  #watcher: MemberWatcher | null = null
  /** Orders about rights that came before it, while it may come; `null` from then on. */
  #earlyRights: Array<[order: RightsOrder, given: number]> | null = null
  readonly #waits = new Waits()
  readonly #recent: RecentOrders
  readonly #log: Pick<FastifyBaseLogger, 'warn'>

  /**
   * @param server the server whose sockets are added; others may be added as well
   * @param recent the recent orders to disconnect
   * @param clock a monotonic clock and the time of day, in milliseconds, for leases and for the answers of `authorizeTopic`
   * @param httpServer the HTTP server, of which events tell
   */
  constructor (settings: HubSettings, log: FastifyBaseLogger, server?: WebSocketServer, recent = new RecentOrders(), clock: HubClock = {}, httpServer: object | null = null) {
    const { bus, busPrefix: prefix, busBeat: beat, maxOrders, orderLife } = settings
    const stats = this.stats = createStats(settings.connectionCounter !== undefined)
    const owner = this.#owner = { hub: this, server: httpServer }
    recent.keepFor(0, settings.orderLife, maxOrders)
    this.#recent = recent
    this.#log = log
    this.#settings = settings
    this.messageRate = settings.messageRate
    this.#relay = new Relay(log)
    this.#cluster = new Cluster({
      node: this.node,
      log,
      state: topic => ({ connections: this.count(), count: this.count(topic), draining: this.#admission.draining })
    })
    this.#relay.add(TELL_ORDER, detail => {
      this.#cluster.takeOrder(detail)
      return ''
    })
    const misuse = new Misuse(log, NO_ANSWER)
    this.#bus = bus === undefined
      ? null
      : new BusClient({
        owner,
        bus,
        node: this.node,
        prefix,
        beat,
        maxOrders,
        orderLife,
        log,
        stats: stats.bus,
        onPublication: publication => this.#receive(publication),
        onCluster: (from, message) => this.#cluster.take(from, message),
        onBeat: (from, every) => this.#cluster.beat(from, every),
        onState: state => {
          this.#guest?.bus(state)
          this.#watcher?.bus(state)
        },
        onOrder: (order, given) => this.#obey(order, given)
      })
    if (this.#bus !== null) this.#cluster.attach(this.#bus)
    const memberships = new Memberships({
      owner,
      limit: settings.maxTopicsPerConnection,
      bus: this.#bus,
      onJoin: (connection, topic) => {
        if (!topic.wildcard) this.#watcher?.joined(connection, topic.name)
      },
      onLeave: (connection, topic, reason) => {
        this.#rights.forget(connection, topic)
        if (topic.wildcard) return
        this.#guest?.left(connection, topic.name, reason)
        this.#watcher?.left(connection, topic.name)
      }
    })
    this.#limit = settings.connectionCounter === undefined
      ? null
      : new ClusterLimit({
        counter: settings.connectionCounter,
        node: this.node,
        limit: settings.maxConnectionsPerSubject,
        replace: settings.onSubjectLimit === 'replace',
        beat,
        stats: stats.counter as CounterStats,
        log,
        refuse: id => admission.refuse(id),
        expel: id => { if (!admission.replace(id)) this.#bus?.order(createOrder({ connection: id }, { code: CloseCode.REPLACED, reason: 'replaced' }, () => undefined)) }
      })
    const admission = new Admission({
      limit: this.#limit,
      owner,
      options: settings,
      stats,
      registry: this.#registry,
      recent,
      canShare: canShareFrames(server, log),
      onRemove: connection => {
        this.#watcher?.went(connection, false)
        memberships.leaveAll(connection)
        this.#rights.abandon(connection)
      },
      onOver: connection => this.#watcher?.went(connection, true),
      onOrder: (isMeant, subject) => this.#watcher?.disconnected(member => isMeant(member as Connection), subject),
      watch: server && ((key, watcher) => watchSockets(server, key, watcher, log))
    })
    setPlaces(this, admission.places)
    this.#memberships = memberships
    this.#admission = admission
    this.#fanOut = new FanOut({
      ...settings,
      owner,
      stats,
      misuse,
      terminate: (connection, reason) => admission.terminate(connection, reason),
      onError: err => logError(log, err, 'a connection failed to take a message and was terminated')
    })
    const check = this.#check = new TopicCheck({ ...settings, log, misuse, now: clock.now })
    this.#rights = new Rights({
      ...settings,
      ...clock,
      owner,
      check,
      memberships,
      registry: this.#registry,
      fanOut: this.#fanOut,
      waits: this.#waits,
      log
    })
    setTopicHost(this, new HubTopicHost({
      attach: guest => this.#attach(guest),
      watch: watcher => this.#watch(watcher),
      topicLease: settings.topicLease,
      maxBufferedBytes: settings.maxBufferedBytes,
      maxTopics: settings.maxTopicsPerConnection,
      registry: this.#registry,
      memberships,
      rights: this.#rights,
      check,
      admission,
      fanOut: this.#fanOut,
      bus: this.#bus,
      ready: () => this.busReady()
    }))
    bindMethods(this)
  }

  add (socket: WebSocket, identity: HubIdentity): boolean {
    const added = this.#admission.add(socket, identity)
    if (added) this.#watcher?.came(this.#registry.get(socket) as Connection)
    return added
  }

  join (socket: WebSocket, topic: string, { wildcard = false }: JoinOptions = {}): boolean {
    const connection = this.#find(socket)
    // One that is closing hears nothing more.
    if (connection === undefined || socket.readyState !== OPEN) return false
    this.#rights.own(connection, this.#memberships.join(connection, topic, wildcard))
    return true
  }

  async requestJoin (socket: WebSocket, topic: unknown, { wildcard = false }: JoinOptions = {}): Promise<boolean> {
    const connection = this.#find(socket)
    if (connection === undefined) return false
    if (!isTopic(topic, wildcard)) {
      auditNoTopic(this.#owner, connection, null, wildcard, 'invalid')
      return false
    }
    return await this.#rights.requestJoin(connection, topic, wildcard) === 'joined'
  }

  leave (socket: WebSocket, topic: string, { wildcard = false }: JoinOptions = {}): boolean {
    const connection = this.#find(socket)
    return connection !== undefined && this.#memberships.leave(connection, topic, wildcard)
  }

  async reauthorize (options: ReauthorizeOptions): Promise<Reauthorized> {
    const order = createRightsOrder('reauthorize', options)
    this.#bus?.order(order)
    return await this.#reauthorize(order, performance.now())
  }

  evict (options: EvictOptions): number {
    const order = createRightsOrder('evict', options)
    this.#bus?.order(order)
    return this.#evict(order, performance.now())
  }

  topicsOf (socket: WebSocket, { wildcard = false }: JoinOptions = {}): string[] {
    const joined = each(this.#find(socket)?.topics ?? null)
    return [...joined].filter(topic => topic.wildcard === wildcard).map(({ name }) => name)
  }

  async busReady (): Promise<boolean> {
    if (this.#bus === null) return true
    let ready = false
    await this.#waits.until(this.#bus.ready().then(answer => { ready = answer }))
    return ready
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

  disconnect (target: string | DisconnectTarget, options: DisconnectOptions = {}): number {
    const order = this.#createOrder(target, options)
    this.#bus?.order(order)
    return this.#disconnect(order, performance.now())
  }

  async disconnectAll (
    target: string | DisconnectTarget, options: DisconnectAllOptions = {}
  ): Promise<DisconnectOutcome> {
    const order = this.#createOrder(target, options)
    const timeout = timeoutOf(options)
    const others = this.#bus?.orderAll(order, timeout)
    const closed = this.#disconnect(order, performance.now())
    const outcome = await others
    return outcome === undefined ? { closed, nodes: 1 } : { closed: closed + outcome.closed, nodes: 1 + outcome.nodes }
  }

  /** Until {@link releaseOrders}, orders of other nodes wait for listeners that are still to come. */
  holdOrders (): void {
    this.#relay.hold()
    this.#earlyRights = []
  }

  /** All listeners are there. */
  releaseOrders (): void {
    this.#relay.release()
    this.#earlyRights = null
  }

  onOrder (name: string, carryOut: OrderListener): void {
    this.#relay.add(name, carryOut)
  }

  async giveOrder (name: string, detail: string, options: GiveOrderOptions = {}): Promise<OrderAnswers> {
    const order = createRelayedOrder(name, detail)
    const timeout = timeoutOf(options)
    const answers: string[] = []
    let own: string[] | undefined
    const others = this.#bus?.orderAll(order, timeout, answer => { answers.push(...readAnswers(answer)) })
    await this.#waits.until(this.#relay.carryOut(order).then(answers => { own = answers }), timeout)
    const outcome = await others
    return { answers: [...own ?? [], ...answers], nodes: (own === undefined ? 0 : 1) + (outcome?.nodes ?? 0) }
  }

  tell (name: string, data: unknown, options?: TellOptions): void {
    this.#cluster.tell(name, data, options)
  }

  on (name: string, listener: TellListener): () => void {
    return this.#cluster.on(name, listener)
  }

  async nodes (options?: AskOptions): Promise<HubNode[]> {
    return await this.#cluster.nodes(options)
  }

  async countAll (topic?: string, options?: AskOptions): Promise<number> {
    return await this.#cluster.countAll(topic, options)
  }

  onNodes (listener: NodeListener): () => void {
    return this.#cluster.onNodes(listener)
  }

  idOf (socket: WebSocket): string | undefined {
    const connection = this.#registry.get(socket)
    return connection && this.#registry.idOf(connection)
  }

  count (topic?: string): number {
    return topic === undefined ? this.#registry.size : size(this.#memberships.joined(topic))
  }

  subjects (topic?: string): string[] {
    if (topic === undefined) return this.#registry.subjects()
    const subjects = new Set<string>()
    for (const { subject } of each(this.#memberships.joined(topic))) subjects.add(subject)
    return [...subjects]
  }

  topics ({ wildcard = false }: JoinOptions = {}): string[] {
    return this.#memberships.names(wildcard)
  }

  health (): HubHealth {
    const bus = this.#bus?.state ?? 'none'
    return {
      status: bus === 'down' || this.#limit?.state === 'down' || this.#bus?.overflowed || this.#recent.overflowed ? 'degraded' : 'ok',
      bus,
      draining: this.#admission.draining,
      connections: this.#registry.size,
      ...this.#limit !== null && { counter: this.#limit.state }
    }
  }

  drain (): Promise<void> {
    if (!this.#admission.draining) this.#watcher?.closing()
    this.#stopWaiting()
    const drained = this.#admission.drain()
    const end = (): void => this.#cluster.end()
    drained.then(end, end)
    return drained
  }

  /** Acts on every lease that has ended. The timer does so as well. */
  tick (): void {
    this.#rights.tick()
  }

  /** Ends what the hub has on the bus. */
  close (): void {
    this.#stopWaiting()
    this.#cluster.end()
    this.#limit?.end()
    this.#bus?.close()
  }

  /** Ends all waiting, from now on as well: the server closes. */
  #stopWaiting (): void {
    this.#bus?.stopWaiting()
    this.#cluster.stopWaiting()
    this.#waits.end()
    this.#rights.abandonAll()
  }

  #createOrder (target: string | DisconnectTarget, options: DisconnectOptions): DisconnectOrder {
    return createOrder(target, options, socket => this.idOf(socket))
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

  /** Carries out an order of another node. */
  #obey (order: Order, given: number): number | Promise<string> {
    if (order.kind === 'disconnect') return this.#disconnect(order, given)
    if (order.kind === 'relay') return this.#relay.take(order)
    if (order.kind === 'evict') return this.#evict(order, given)
    this.#reauthorize(order, given)
    return 0
  }

  #attach (guest: TopicGuest): boolean {
    if (this.#guest !== null) return false
    this.#guest = guest
    for (const [order, given] of this.#earlyRights ?? []) guest.rights(order, given)
    this.#earlyRights = null
    return true
  }

  #watch (watcher: MemberWatcher): boolean {
    if (this.#watcher !== null) return false
    this.#watcher = watcher
    return true
  }

  #tellRights (order: RightsOrder, given: number): void {
    this.#guest?.rights(order, given)
    this.#earlyRights?.push([order, given])
  }

  #reauthorize (order: RightsOrder, given: number): Promise<Reauthorized> {
    this.#tellRights(order, given)
    const done = this.#rights.reauthorize(selectionOf(order))
    this.#watcher?.rights('reauthorize', order, given)
    return done
  }

  #disconnect (order: DisconnectOrder, given: number): number {
    const before = this.#recent.overflowed
    const closed = this.#admission.disconnect(order, given)
    if (!before && this.#recent.overflowed) {
      const { maxOrders: limit } = this.#settings
      this.#log.warn({ limit }, 'the hub has to forget sessions that were ended, which may come again: maxOrders is reached')
    }
    return closed
  }

  #evict (order: RightsOrder, given: number): number {
    const { subject, topic, wildcard } = order
    this.#tellRights(order, given)
    const left = this.#rights.evict(subject as string, { name: topic as string, wildcard }, given)
    // A connection that came before the order did, but was given later, may have the topic by a token that it concerns.
    if (this.#check.granted !== null) this.#rights.reauthorize(selectionOf(order))
    this.#watcher?.rights('evict', order, given)
    return left
  }

  #receive ({ topic, frame, place }: Publication): void {
    // Another node may allow more. No connection here could take it, and all would be terminated for it.
    if (frame.bytes.length > this.#settings.maxBufferedBytes) this.stats.bus.invalid++
    else if (place === undefined) this.#deliver(topic, frame)
    else this.#guest?.receive(topic as string, frame, place)
  }

  /** Sends a frame to the connections of this node. */
  #deliver (topic: string | null, frame: Frame, options?: SendOptions): number {
    const to = topic === null ? this.#registry.all() : each(this.#memberships.members(topic))
    const connections = this.#fanOut.distribute(to, frame, options)
    if (topic !== null && this.#memberships.doubts > 0) this.#rights.hold(topic, frame, options)
    if (channels.deliver.hasSubscribers) channels.deliver.publish(ofHub({ topic, bytes: frame.bytes.length, connections }, this.#owner))
    return connections
  }

  /** A client cannot cure either of these. */
  #find (socket: WebSocket): Connection | undefined {
    const connection = this.#registry.get(socket)
    // A socket may close at any moment, and leaves the registry then: the caller has made no mistake.
    if (connection === undefined && socket.readyState === OPEN) throw new WSA_HUB_ERR_UNKNOWN_SOCKET()
    return connection
  }
}

function selectionOf ({ subject, topic, wildcard }: RightsOrder): RightsSelection {
  return { subject, topic: topic === undefined ? undefined : { name: topic, wildcard } }
}
