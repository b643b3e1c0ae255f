import { randomBytes } from 'node:crypto'
import { inSlices } from '@fastify-airlock/core'
import type { FastifyBaseLogger } from 'fastify'
import type { HubBus } from './bus.js'
import { escapeTopic, type Publication, readMessage, readOrigin, type RightsCommand } from './bus-message.js'
import { BusSubscriptions } from './bus-subscriptions.js'
import { channels } from './events.js'
import type { Frame } from './frame.js'
import { handleBusErrors } from './internals.js'
import { type DisconnectCommand, RecentDisconnects } from './recent-disconnects.js'
import { Sequences } from './sequences.js'
import type { HubStats } from './status.js'

/** Beats that may be on their way before the bus counts as down. */
const MAX_MISSED = 2

/** Settings of a {@link BusClient}. */
export interface BusClientSettings {
  bus: HubBus
  prefix: string
  /** Time between two beats, in milliseconds. */
  beat: number
  stats: HubStats['bus']
  log: Pick<FastifyBaseLogger, 'info' | 'warn'>
  /** Called with each message that another node has published. */
  onPublication: (publication: Publication) => void
  /** Called with each disconnect command of another node. */
  onDisconnect: (command: DisconnectCommand) => void
  /** Called with each order of another node about rights to topics. */
  onRights: (command: RightsCommand) => void
}

/** Connects one node to the bus. A channel is a topic on the bus. */
export class BusClient {
  readonly #settings: BusClientSettings
  readonly #node = randomBytes(9).toString('base64url')
  readonly #nodeChannel: string
  readonly #broadcastChannel: string
  readonly #disconnectChannel: string
  readonly #returnChannel: string
  readonly #rightsChannel: string
  readonly #subscriptions: BusSubscriptions
  readonly #sequences = new Sequences()
  readonly #recentDisconnects = new RecentDisconnects()
  readonly #timer: NodeJS.Timeout
  #state: 'starting' | 'up' | 'down' = 'starting'
  #closed = false
  #sequence = 0
  #missed = 0
  /** When the last beat came back. */
  #heard = performance.now()
  #lastError: unknown = {}

  constructor (settings: BusClientSettings) {
    const { bus, prefix, beat } = settings
    this.#settings = settings
    this.#nodeChannel = this.#channelOfNode(this.#node)
    this.#broadcastChannel = `${prefix}/broadcast`
    this.#disconnectChannel = `${prefix}/disconnect`
    this.#returnChannel = `${prefix}/return`
    this.#rightsChannel = `${prefix}/rights`
    handleBusErrors(bus, this.#onError)
    this.#subscriptions = new BusSubscriptions(bus, message => this.#receive(message))
    for (const channel of [this.#broadcastChannel, this.#disconnectChannel, this.#returnChannel, this.#rightsChannel]) {
      this.#subscriptions.add(channel)
    }
    this.#subscribeBeat()
    this.#timer = setInterval(this.#tick, beat).unref()
  }

  /** Whether messages come back from the bus. */
  get state (): 'up' | 'down' {
    return this.#state === 'up' ? 'up' : 'down'
  }

  /** Receives messages of a topic, or of the topics that match a pattern, from now on. */
  subscribe (topic: string, wildcard: boolean): void {
    this.#subscriptions.add(this.#channelOfTopic(topic, wildcard))
  }

  /** Ends {@link subscribe}. */
  unsubscribe (topic: string, wildcard: boolean): void {
    this.#subscriptions.remove(this.#channelOfTopic(topic, wildcard))
  }

  /** Resolves when all subscriptions are confirmed, or with `false` as soon as the bus is down. */
  async ready (): Promise<boolean> {
    return this.#state !== 'down' && await this.#subscriptions.confirmed()
  }

  /** Sends a message to the other nodes: to the connections that joined `topic`, or to all. */
  publish (topic: string | null, { payload, options: { binary } }: Frame): void {
    // Nothing is kept for a bus that is down: it would need memory, and arrive late and all at once.
    if (this.#state === 'down') {
      this.#settings.stats.lost++
      return
    }
    this.#settings.stats.sent++
    this.#emit(topic === null ? this.#broadcastChannel : this.#channelOfTopic(topic), { payload, binary }, this.#onLost)
  }

  /** Disconnects a user on the other nodes; on those that cannot be reached now, as soon as they can. */
  disconnect (subject: string, code: number, reason: string): void {
    this.#recentDisconnects.add(subject, code, reason, performance.now())
    if (this.#state === 'down') return
    this.#settings.stats.sent++
    this.#emit(this.#disconnectChannel, { subject, code, reason, age: 0 }, error => {
      this.#onError(error)
      // Commands are sent again when the bus is back, so a failed one has to count as a loss.
      if (error) this.#markDown()
    })
  }

  /** Takes rights back on the other nodes. What a node misses, it finds out at the end of its leases. */
  sendRights ({ action, subject, name, wildcard }: RightsCommand): void {
    if (this.#state === 'down') return
    this.#settings.stats.sent++
    const command = { action, wildcard, ...(subject !== undefined && { subject }), ...(name !== undefined && { name }) }
    this.#emit(this.#rightsChannel, command, this.#onError)
  }

  /** Ends all subscriptions. The bus itself stays open. */
  close (): void {
    this.#closed = true
    clearInterval(this.#timer)
    this.#subscriptions.close()
  }

  #receive (message: unknown): void {
    const { prefix, stats, onPublication, onDisconnect, onRights } = this.#settings
    const origin = readOrigin(message)
    if (origin?.node === this.#node) {
      if (origin.channel === this.#nodeChannel) this.#markUp()
      return
    }
    const parsed = origin === null ? null : readMessage(origin.channel.slice(prefix.length + 1), message)
    if (origin === null || parsed === null) {
      stats.invalid++
    } else if (this.#sequences.advance(origin.node, origin.channel, origin.sequence)) {
      stats.received++
      if (parsed.kind === 'return') this.#sendDisconnects(this.#channelOfNode(origin.node), parsed.away)
      else if (parsed.kind === 'disconnect') onDisconnect(parsed.command)
      else if (parsed.kind === 'rights') onRights(parsed.command)
      else onPublication(parsed)
    }
  }

  readonly #tick = (): void => {
    if (this.#state !== 'down' && this.#missed === MAX_MISSED) this.#markDown()
    if (this.#state !== 'down') return this.#sendBeat()
    // The subscription may be what was lost. A beat follows once it is made anew.
    this.#subscriptions.remove(this.#nodeChannel)
    this.#subscribeBeat()
  }

  #subscribeBeat (): void {
    this.#subscriptions.listen(this.#nodeChannel, () => this.#sendBeat())
  }

  #sendBeat (): void {
    this.#missed++
    this.#emit(this.#nodeChannel, {}, this.#onError)
  }

  #markUp (): void {
    const before = this.#state
    const since = this.#heard
    this.#heard = performance.now()
    this.#state = 'up'
    this.#missed = 0
    if (before === 'down') this.#resubscribe(since)
    if (before !== 'up') this.#announce('up')
  }

  #markDown (): void {
    if (this.#state === 'down') return
    this.#state = 'down'
    // Only the message: a client of a bus may attach the command to its error, with password and payload.
    const { message } = this.#lastError as Partial<Error>
    this.#settings.log.warn({ reason: message }, 'the hub has lost its bus: other nodes are not reached')
    this.#lastError = {}
    this.#announce('down')
    this.#subscriptions.abandon()
  }

  /** @param since when the bus was heard for the last time */
  #resubscribe (since: number): void {
    this.#settings.log.info('the hub has its bus back')
    this.#subscriptions.renew(this.#nodeChannel)
    this.#sendDisconnects(this.#disconnectChannel, performance.now() - since)
    // The other nodes then repeat their disconnect commands of that time. Later commands reach this node anyway, since
    // it is subscribed by now.
    this.ready().then(() => {
      this.#emit(this.#returnChannel, { away: performance.now() - since }, this.#onError)
    })
  }

  /** Sends the disconnect commands of the last `age` milliseconds again. */
  #sendDisconnects (channel: string, age: number): void {
    const start = performance.now()
    inSlices(this.#recentDisconnects.within(age, start), command => {
      if (this.#closed) return
      // The command spares connections that came after it, however late its slice comes.
      this.#emit(channel, { ...command, age: command.age + performance.now() - start }, this.#onError)
    })
  }

  #channelOfTopic (topic: string, wildcard = false): string {
    return `${this.#settings.prefix}/topic/${escapeTopic(topic, wildcard)}`
  }

  #channelOfNode (node: string): string {
    return `${this.#settings.prefix}/node/${node}`
  }

  #emit (channel: string, body: object, callback: (error?: Error | null) => void): void {
    this.#settings.bus.emit({ ...body, topic: channel, node: this.#node, sequence: ++this.#sequence }, callback)
  }

  #announce (state: 'up' | 'down'): void {
    if (channels.bus.hasSubscribers) channels.bus.publish({ state })
  }

  // Logged only when the bus turns out to be down: each attempt to connect again causes another error.
  readonly #onError = (error: unknown): void => {
    if (error) this.#lastError = error
  }

  readonly #onLost = (error: unknown): void => {
    if (error) this.#settings.stats.lost++
    this.#onError(error)
  }
}
