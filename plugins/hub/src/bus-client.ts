import { randomBytes } from 'node:crypto'
import { inSlices } from '@fastify-airlock/core'
import type { FastifyBaseLogger } from 'fastify'
import { catchErrors } from './bus-errors.js'
import { type Disconnection, escapeTopic, type Publication, readMessage, readOrigin } from './bus-message.js'
import { channels } from './events.js'
import type { Frame } from './frame.js'
import type { HubBus } from './hub-options.js'
import { Orders } from './orders.js'
import { Seen } from './seen.js'
import type { HubStats } from './status.js'

/** Beats that may be on their way before the bus counts as down. */
const MAX_MISSED = 2

/** Settings of a {@link Bus}. */
export interface BusSettings {
  bus: HubBus
  prefix: string
  /** Time between two beats, in milliseconds. */
  beat: number
  stats: HubStats['bus']
  log: Pick<FastifyBaseLogger, 'info' | 'warn'>
  /** Told what other nodes have sent. */
  receive: (message: Publication | Disconnection) => void
}

type Listener = (message: unknown, done: () => void) => void

/** One node's end of the bus. */
export class Bus {
  readonly #settings: BusSettings
  readonly #node = randomBytes(9).toString('base64url')
  readonly #nodeTopic: string
  readonly #broadcastTopic: string
  readonly #disconnectTopic: string
  readonly #returnTopic: string
  readonly #listeners = new Map<string, Listener>()
  readonly #seen = new Seen()
  readonly #orders = new Orders()
  readonly #timer: NodeJS.Timeout
  #state: 'starting' | 'up' | 'down' = 'starting'
  #closed = false
  #sequence = 0
  #missed = 0
  /** When the last beat came back. */
  #heard = performance.now()
  #subscriptions = { unconfirmed: 0 }
  #waiting: Array<(subscribed: boolean) => void> = []
  #lastError: unknown = {}

  constructor (settings: BusSettings) {
    this.#settings = settings
    this.#nodeTopic = this.#topicOf(this.#node)
    this.#broadcastTopic = `${settings.prefix}/broadcast`
    this.#disconnectTopic = `${settings.prefix}/disconnect`
    this.#returnTopic = `${settings.prefix}/return`
    catchErrors(settings.bus, this.#onError)
    for (const topic of [this.#broadcastTopic, this.#disconnectTopic, this.#returnTopic]) this.#subscribe(topic)
    this.#subscribeBeat()
    this.#timer = setInterval(this.#tick, settings.beat).unref()
  }

  /** Whether messages come back from the bus. */
  get state (): 'up' | 'down' {
    return this.#state === 'up' ? 'up' : 'down'
  }

  /** From now on messages of a topic, or of those that match a pattern, are received. */
  subscribe (topic: string, wildcard: boolean): void {
    this.#subscribe(this.#topic(topic, wildcard))
  }

  /** Ends {@link subscribe}. */
  unsubscribe (topic: string, wildcard: boolean): void {
    this.#forget(this.#topic(topic, wildcard))
  }

  /** Resolves when all subscriptions are confirmed, or with `false` as soon as the bus is down. */
  async subscribed (): Promise<boolean> {
    if (this.#state === 'down') return false
    if (this.#subscriptions.unconfirmed === 0) return true
    return await new Promise(resolve => this.#waiting.push(resolve))
  }

  /** Sends a message to the other nodes; to those who joined `topic`, or to everybody. */
  publish (topic: string | null, { payload, options: { binary } }: Frame): void {
    // Nothing is kept for a bus that is down: it would all come at once, late, and need memory until then.
    if (this.#state === 'down') {
      this.#settings.stats.lost++
      return
    }
    this.#settings.stats.sent++
    this.#emit(topic === null ? this.#broadcastTopic : this.#topic(topic), { payload, binary }, this.#onLost)
  }

  /** Disconnects a user on the other nodes; on those that cannot be reached now, once they can. */
  disconnect (subject: string, code: number, reason: string): void {
    this.#orders.add(subject, code, reason, performance.now())
    if (this.#state === 'down') return
    this.#settings.stats.sent++
    this.#emit(this.#disconnectTopic, { subject, code, reason, age: 0 }, error => {
      this.#onError(error)
      // Orders are given again when the bus is back, so a failed one means that it is away.
      if (error) this.#lose()
    })
  }

  /** Ends all subscriptions. The bus itself stays open. */
  close (): void {
    this.#closed = true
    clearInterval(this.#timer)
    for (const topic of this.#listeners.keys()) this.#forget(topic)
    this.#settle(false)
  }

  #receive (message: unknown): void {
    const { prefix, receive, stats } = this.#settings
    const origin = readOrigin(message)
    if (origin?.node === this.#node) {
      if (origin.topic === this.#nodeTopic) this.#gain()
      return
    }
    const parsed = origin === null ? null : readMessage(origin.topic.slice(prefix.length + 1), message)
    if (origin === null || parsed === null) {
      stats.invalid++
    } else if (this.#seen.isNew(origin.node, origin.topic, origin.sequence)) {
      stats.received++
      if (parsed.kind === 'return') this.#giveOrders(this.#topicOf(origin.node), parsed.away)
      else receive(parsed)
    }
  }

  readonly #tick = (): void => {
    if (this.#state !== 'down' && this.#missed === MAX_MISSED) this.#lose()
    if (this.#state !== 'down') return this.#sendBeat()
    // The subscription may be what was lost. A beat follows once it is made anew.
    this.#forget(this.#nodeTopic)
    this.#subscribeBeat()
  }

  #subscribeBeat (): void {
    this.#listen(this.#nodeTopic, () => this.#sendBeat())
  }

  #sendBeat (): void {
    this.#missed++
    this.#emit(this.#nodeTopic, {}, this.#onError)
  }

  #gain (): void {
    const before = this.#state
    const since = this.#heard
    this.#heard = performance.now()
    this.#state = 'up'
    this.#missed = 0
    if (before === 'down') this.#return(since)
    if (before !== 'up') this.#announce('up')
  }

  #lose (): void {
    if (this.#state === 'down') return
    this.#state = 'down'
    // No more than the message: a client of a bus may hang the command on its error, password or payload and all.
    const { message } = this.#lastError as Partial<Error>
    this.#settings.log.warn({ reason: message }, 'the hub has lost its bus: other nodes are not reached')
    this.#lastError = {}
    this.#announce('down')
    this.#settle(false)
  }

  #return (since: number): void {
    this.#settings.log.info('the hub has its bus back')
    // Whether the bus remembers what was subscribed depends on how long it was away, and so does what it confirms.
    const subscriptions = this.#subscriptions = { unconfirmed: 1 }
    inSlices([...this.#listeners], ([topic, listener]) => {
      // Left meanwhile, or subscribed to anew already: by whoever joined again, or because the bus was lost once more.
      if (topic === this.#nodeTopic || this.#listeners.get(topic) !== listener) return
      this.#forget(topic)
      this.#subscribe(topic)
    }).then(() => this.#confirm(subscriptions))
    this.#giveOrders(this.#disconnectTopic, performance.now() - since)
    // Whoever gave orders meanwhile gives them to this node again. Those of later find it subscribed.
    this.subscribed().then(() => {
      this.#emit(this.#returnTopic, { away: performance.now() - since }, this.#onError)
    })
  }

  #giveOrders (topic: string, age: number): void {
    const start = performance.now()
    inSlices(this.#orders.within(age, start), order => {
      if (this.#closed) return
      // Connections that came since the order was given are to be spared, however late its slice comes.
      this.#emit(topic, { ...order, age: order.age + performance.now() - start }, this.#onError)
    })
  }

  #subscribe (topic: string): void {
    const subscriptions = this.#subscriptions
    subscriptions.unconfirmed++
    this.#listen(topic, () => this.#confirm(subscriptions))
  }

  #confirm (subscriptions: { unconfirmed: number }): void {
    if (--subscriptions.unconfirmed === 0 && subscriptions === this.#subscriptions) this.#settle(true)
  }

  /** A listener is of one subscription only: mqemitter takes it away late, and might take that of the next one. */
  #listen (topic: string, confirmed: () => void): void {
    const listener: Listener = (message, done) => {
      this.#receive(message)
      done()
    }
    this.#listeners.set(topic, listener)
    this.#settings.bus.on(topic, listener, confirmed)
  }

  #forget (topic: string): void {
    this.#settings.bus.removeListener(topic, this.#listeners.get(topic) as Listener)
    this.#listeners.delete(topic)
  }

  #settle (subscribed: boolean): void {
    for (const resolve of this.#waiting.splice(0)) resolve(subscribed)
  }

  #topic (topic: string, wildcard = false): string {
    return `${this.#settings.prefix}/topic/${escapeTopic(topic, wildcard)}`
  }

  #topicOf (node: string): string {
    return `${this.#settings.prefix}/node/${node}`
  }

  #emit (topic: string, body: object, callback: (error?: Error | null) => void): void {
    this.#settings.bus.emit({ ...body, topic, node: this.#node, sequence: ++this.#sequence }, callback)
  }

  #announce (state: 'up' | 'down'): void {
    if (channels.bus.hasSubscribers) channels.bus.publish({ state })
  }

  // Told of once, when the bus turns out to be down: a lost connection is an error with every attempt to get it back.
  readonly #onError = (error: unknown): void => {
    if (error) this.#lastError = error
  }

  readonly #onLost = (error: unknown): void => {
    if (error) this.#settings.stats.lost++
    this.#onError(error)
  }
}
