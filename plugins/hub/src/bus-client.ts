import { inSlices, logError, peek, type TopicPlace } from '@fastify-airlock/core'
import { CloseCode } from '@fastify-airlock/protocol'
import type { FastifyBaseLogger } from 'fastify'
import type { HubBus } from './bus.js'
import { BusCalls } from './bus-calls.js'
import { BusChannels } from './bus-channels.js'
import { type BusOrigin, type ClusterMessage, isClusterMessage, type Publication, readMessage, readOrigin } from './bus-message.js'
import { BusSubscriptions } from './bus-subscriptions.js'
import { channels, type HubOwner, ofHub } from './events.js'
import type { Frame } from './frame.js'
import type { HeardNode } from './node-watch.js'
import { type Order, readOrder, writeOrder } from './order.js'
import { type OrderOutcome, Orders } from './orders.js'
import { Sequences } from './sequences.js'
import type { HubStats } from './status.js'

/** Messages of a node to itself that may be on their way before the bus counts as down. */
const MAX_MISSED = 2

/** Settings of a {@link BusClient}. */
export interface BusClientSettings {
  owner: HubOwner
  bus: HubBus
  /** The id of this node. */
  node: string
  prefix: string
  /** Time between two beats, in milliseconds. */
  beat: number
  /** How many orders are kept for nodes that have missed them. */
  maxOrders: number
  /** How long they are kept, in milliseconds. */
  orderLife: number
  stats: HubStats['bus']
  log: Pick<FastifyBaseLogger, 'info' | 'warn' | 'error'>
  /** Called with each message that another node has published. */
  onPublication: (publication: Publication) => void
  /** Called with each message of the cluster that another node has sent. */
  onCluster: (from: string, message: ClusterMessage) => void
  /** Called with the time between two beats at each beat of another node, with `null` when it says goodbye. */
  onBeat: (from: string, every: number | null) => void
  /** Called when the bus is up or down. */
  onState: (state: 'up' | 'down') => void
  /**
   * Called with each order of another node. It may be called twice for an order that came late.
   *
   * @param given when it was given, in milliseconds of `performance.now()`
   * @returns how many connections were closed, or have left a topic; or a promise of an answer that never rejects
   */
  onOrder: (order: Order, given: number) => number | Promise<string>
}

/** Connects one node to the bus. A channel is a topic on the bus. */
export class BusClient {
  readonly #settings: BusClientSettings
  readonly #node: string
  readonly #channels: BusChannels
  readonly #calls: BusCalls
  readonly #subscriptions: BusSubscriptions
  readonly #sequences = new Sequences()
  readonly #orders: Orders
  readonly #timer: NodeJS.Timeout
  /** Channels of {@link BusChannels.common} on which a message has come back since the start or the last loss. */
  readonly #proven = new Set<string>()
  /** Messages to itself that have not come back, by channel. */
  readonly #missed = new Map<string, number>()
  #state: 'starting' | 'up' | 'down' = 'starting'
  /** Whether the subscriptions to topics are confirmed as well. */
  #confirmed = false
  /** Whether it is logged that a topic is not heard. */
  #deaf = false
  #closed = false
  #sequence = 0
  /** When all channels were heard for the last time. */
  #heard = performance.now()
  #lastError: unknown = {}

  constructor (settings: BusClientSettings) {
    const { bus, node, prefix, beat, maxOrders: limit, orderLife: life, log } = settings
    this.#settings = settings
    this.#node = node
    this.#channels = new BusChannels(prefix, node)
    this.#orders = new Orders({
      node: this.#node,
      beat,
      limit,
      life,
      now: () => performance.now(),
      send: (node, message) => this.#emit(this.#channels.ofNode(node), message),
      apply: (body, given) => {
        const order = readOrder(body)
        return order === null ? null : settings.onOrder(order, given)
      },
      onOverflow: () => log.warn({ limit }, 'the hub has to drop orders that other nodes may have missed: maxOrders is reached')
    })
    this.#calls = new BusCalls({ bus, onError: this.#onError, onLost: () => this.#markDown(), onBack: () => this.#restart() })
    this.#subscriptions = new BusSubscriptions(this.#calls, message => this.#receive(message))
    for (const channel of this.#channels.common) this.#listen(channel)
    this.#timer = setInterval(this.#tick, beat).unref()
  }

  /** Whether messages come back from the bus, and all subscriptions are confirmed. */
  get state (): 'up' | 'down' {
    return this.#state === 'up' && this.#confirmed && !this.#subscriptions.deaf ? 'up' : 'down'
  }

  /** Whether orders were dropped that other nodes may have missed. */
  get overflowed (): boolean {
    return this.#orders.overflowed
  }

  /** The other nodes that were heard of late; none while they cannot be reached. */
  get peers (): HeardNode[] {
    return this.#state === 'down' ? [] : this.#orders.heard
  }

  /** Receives messages of a topic, or of the topics that match a pattern, from now on. */
  subscribe (topic: string, wildcard: boolean): void {
    if (!this.#closed) this.#subscriptions.add(this.#channels.ofTopic(topic, wildcard))
  }

  /** Ends {@link subscribe}. */
  unsubscribe (topic: string, wildcard: boolean): void {
    // A connection may close later than the server.
    if (!this.#closed) this.#subscriptions.remove(this.#channels.ofTopic(topic, wildcard))
  }

  /** Receives what plugins of other nodes {@link send} to a topic, from now on. */
  listen (topic: string): void {
    if (!this.#closed) this.#subscriptions.add(this.#channels.ofPlugin(topic))
  }

  /** Ends {@link listen}. */
  unlisten (topic: string): void {
    if (!this.#closed) this.#subscriptions.remove(this.#channels.ofPlugin(topic))
  }

  /** Receives what other nodes {@link tell} under a name, from now on. */
  hear (name: string): void {
    if (!this.#closed) this.#subscriptions.add(this.#channels.ofName(name))
  }

  /** Ends {@link hear}. */
  unhear (name: string): void {
    if (!this.#closed) this.#subscriptions.remove(this.#channels.ofName(name))
  }

  /** Resolves when all subscriptions are confirmed, or with `false` as soon as the bus is down. */
  async ready (): Promise<boolean> {
    return this.#state !== 'down' && await this.#subscriptions.confirmed()
  }

  /** Sends a message to the other nodes: to the connections that joined `topic`, or to all. */
  publish (topic: string | null, frame: Frame): void {
    this.#publish(topic === null ? this.#channels.broadcast : this.#channels.ofTopic(topic), frame)
  }

  /**
   * Sends a message to the plugins of the other nodes that {@link listen} to a topic.
   *
   * @param place where the message is kept; `null` where it is not
   */
  send (topic: string, frame: Frame, place: TopicPlace | null): void {
    this.#publish(this.#channels.ofPlugin(topic), frame, place === null ? {} : { epoch: place.epoch, offset: place.offset })
  }

  /**
   * Tells other nodes something.
   *
   * @param node `null` for all that {@link hear} the name
   * @param payload JSON
   */
  tell (name: string, node: string | null, payload: Buffer): void {
    if (node === null) this.#post(this.#channels.ofName(name), { payload })
    else this.sendTo(node, { kind: 'tell', name, payload })
  }

  /** Sends a message to one node. */
  sendTo (node: string, message: object): void {
    this.#post(this.#channels.ofNode(node), message)
  }

  #publish (channel: string, { payload, options: { binary } }: Frame, members: object = {}): void {
    this.#post(channel, { ...members, payload, binary })
  }

  #post (channel: string, message: object): void {
    // Nothing is kept for a bus that is down: it would need memory, and arrive late and all at once.
    if (this.#state === 'down') {
      this.#settings.stats.lost++
      return
    }
    this.#settings.stats.sent++
    this.#emit(channel, message, error => {
      if (error) this.#settings.stats.lost++
    })
  }

  /** Gives an order to the other nodes; to those that cannot be reached now, as soon as they can. */
  order (order: Order): void {
    this.#send(order, this.#orders.give(writeOrder(order)))
  }

  /**
   * {@link order}; resolves when all nodes that are there now have carried it out, or after `timeout` milliseconds.
   *
   * @param onAnswer called with the answer of each node
   */
  async orderAll (order: Order, timeout: number, onAnswer?: (answer: string) => void): Promise<OrderOutcome> {
    const number = this.#orders.give(writeOrder(order))
    // A bus within the process may bring the answers at once.
    const outcome = this.#orders.outcome(number, timeout, onAnswer)
    this.#send(order, number)
    return await outcome
  }

  /** Waits for no other node any more. They still get the orders. */
  stopWaiting (): void {
    this.#orders.stopWaiting()
  }

  /** Ends all subscriptions. The bus itself stays open. */
  close (): void {
    if (this.#state === 'up') this.#emit(this.#channels.beat, { kind: 'beat', gone: true })
    this.#closed = true
    clearInterval(this.#timer)
    this.#subscriptions.close()
    this.stopWaiting()
  }

  #send (order: Order, number: number): void {
    if (this.#state === 'down') return
    this.#settings.stats.sent++
    this.#sendOrder(this.#channels.disconnect, order, number, 0)
  }

  readonly #receive = (message: unknown): void => {
    const { log, stats } = this.#settings
    const origin = readOrigin(message)
    if (this.#closed) return
    if (origin?.node === this.#node) return this.#hear(origin.channel)
    if (origin === null) {
      stats.invalid++
      return
    }
    // An error here is not one of the bus, which might lose its connection over it.
    try {
      if (!this.#handle(origin, this.#channels.kindOf(origin.channel), message as Record<string, unknown>)) stats.invalid++
    } catch (err) {
      logError(log, err, 'the hub has failed to handle a message of the bus')
    }
  }

  /** @returns whether the message is well-formed */
  #handle ({ node, channel, sequence }: BusOrigin, kind: string, message: Record<string, unknown>): boolean {
    // What a node sends to find out whether it hears itself.
    if (message.probe === true) return true
    const { stats, onPublication, onOrder, onCluster, onBeat } = this.#settings
    if (kind === 'beat' || (kind.startsWith('node/') && message.kind !== undefined && !isClusterMessage(kind, message))) {
      const wellFormed = this.#orders.take(node, message)
      if (wellFormed && message.kind === 'beat') onBeat(node, message.gone === true ? null : message.every as number)
      if (message.hello === true) this.#emit(this.#channels.ofNode(node), this.#orders.beat())
      return wellFormed
    }
    // A node of an earlier version leaves out the number, and tells its orders again of its own accord.
    if (message.number !== undefined) {
      stats.received++
      return this.#orders.takeOrder(node, message)
    }
    const parsed = readMessage(kind, message)
    if (parsed === null) return false
    if (!this.#sequences.advance(node, channel, sequence)) return true
    stats.received++
    if (parsed.kind === 'return') {
      if (message.asks !== true) this.#tellAgain(this.#channels.ofNode(node), parsed.away)
    } else if (parsed.kind === 'disconnect') onOrder(parsed.order, performance.now() - parsed.age)
    else if (parsed.kind === 'publish') onPublication(parsed)
    else onCluster(node, parsed)
    return true
  }

  readonly #tick = (): void => {
    const { log } = this.#settings
    if (this.#state !== 'down' && [...this.#missed.values()].some(missed => missed >= MAX_MISSED)) this.#markDown()
    if (this.#state === 'down') {
      this.#restart()
    } else {
      for (const channel of this.#channels.common) {
        if (!this.#proven.has(channel) || channel === this.#channels.beat || channel === this.#channels.own) this.#probe(channel)
      }
      if (this.#subscriptions.deaf && !this.#deaf) log.warn({ reason: peek(this.#lastError, 'message') }, 'the bus does not take a subscription: messages of a topic are missed')
      this.#deaf = this.#subscriptions.deaf
      this.#subscriptions.retry()
    }
    this.#orders.tick()
  }

  /** Subscribes anew to the channels that were not heard: the subscription may be what was lost. */
  #restart (): void {
    if (this.#closed) return
    for (const channel of this.#channels.common) if (!this.#proven.has(channel)) this.#listen(channel)
  }

  #listen (channel: string): void {
    this.#subscriptions.add(channel, () => this.#probe(channel))
  }

  /** Sends a message to all that listen to a channel, this node included. */
  #probe (channel: string): void {
    this.#missed.set(channel, (this.#missed.get(channel) ?? 0) + 1)
    // The first one asks the others to say where they are.
    const message = channel === this.#channels.beat ? { ...this.#orders.beat(), hello: !this.#proven.has(channel) } : { probe: true }
    this.#emit(channel, message)
  }

  /** A message of this node has come back. */
  #hear (channel: string): void {
    if (!this.#channels.common.has(channel)) return
    this.#missed.delete(channel)
    this.#proven.add(channel)
    if (this.#proven.size < this.#channels.common.size) return
    const since = this.#heard
    if (channel === this.#channels.beat) this.#heard = performance.now()
    if (this.#state === 'up') return
    const isBack = this.#state === 'down'
    this.#state = 'up'
    this.#markUp(isBack ? since : null)
  }

  /** @param since when the bus was heard for the last time; `null` at the start */
  async #markUp (since: number | null): Promise<void> {
    if (since !== null) {
      this.#subscriptions.renew(this.#channels.common)
      this.#tellAgain(this.#channels.disconnect, performance.now() - since)
    }
    if (!await this.#subscriptions.confirmed()) return
    this.#confirmed = true
    this.#announce('up')
    if (since === null) return
    this.#settings.log.info('the hub has its bus back')
    // Nodes of an earlier version then repeat their orders of that time. Later ones reach this node anyway, since it is
    // subscribed by now.
    this.#emit(this.#channels.return, { away: performance.now() - since, asks: true })
  }

  #markDown (): void {
    if (this.#state === 'down' || this.#closed) return
    this.#state = 'down'
    this.#confirmed = false
    this.#proven.clear()
    this.#missed.clear()
    // Only the message: a client of a bus may attach the command to its error, with password and payload.
    this.#settings.log.warn({ reason: peek(this.#lastError, 'message') }, 'the hub has lost its bus: other nodes are not reached')
    this.#lastError = {}
    this.#announce('down')
    this.#subscriptions.abandon()
  }

  /** Sends the orders of the last `age` milliseconds again, for nodes of an earlier version. */
  #tellAgain (channel: string, age: number): void {
    const start = performance.now()
    inSlices(this.#orders.recent(age), ({ number, body, age }) => {
      // An order spares connections that came after it, however late its slice comes.
      this.#sendOrder(channel, readOrder(body) as Order, number, age + performance.now() - start)
    })
  }

  /**
   * The members of an order to disconnect are for nodes of an earlier version, which close all connections of the subject.
   */
  #sendOrder (channel: string, order: Order, number: number, age: number): void {
    const known = order.kind === 'disconnect' && order.subject !== undefined
      ? { subject: order.subject, code: order.code ?? CloseCode.FORBIDDEN, reason: order.reason }
      : {}
    this.#emit(channel, { ...known, age, number, time: performance.now(), order: writeOrder(order) })
  }

  #emit (channel: string, body: object, report: (error?: unknown) => void = () => {}): void {
    if (this.#closed) return
    this.#calls.emit({ ...body, topic: channel, node: this.#node, sequence: ++this.#sequence }, report)
  }

  #announce (state: 'up' | 'down'): void {
    if (channels.bus.hasSubscribers) channels.bus.publish(ofHub({ state }, this.#settings.owner))
    this.#settings.onState(state)
  }

  // Logged only when the bus turns out to be down: each attempt to connect again causes another error.
  readonly #onError = (error: unknown): void => {
    this.#lastError = error
  }
}
