import { inSlices } from '@fastify-airlock/core'
import type { BusCalls } from './bus-calls.js'
import type { HubBusListener } from './bus.js'

interface Subscription {
  channel: string
  listener: HubBusListener
  /** Rises with each subscription. */
  id: number
  onConfirmed: () => void
}

/** What one node has subscribed to on the bus. A channel is a topic, or a pattern of topics, on the bus. */
export class BusSubscriptions {
  readonly #bus: BusCalls
  readonly #onMessage: (message: unknown) => void
  readonly #subscriptions = new Map<string, Subscription>()
  /** By id, the oldest first. */
  readonly #unconfirmed = new Set<Subscription>()
  /** What the bus has refused to take. */
  readonly #failed = new Set<Subscription>()
  /** By id, the oldest first. */
  #waiting: Array<{ id: number, resolve: (confirmed: boolean) => void }> = []
  #renewal: Promise<void> | undefined
  #lastId = 0
  /** Ids of the last subscriptions before the last {@link retry}, and before the one before that. */
  #known = 0
  #overdue = 0
  #losses = 0

  constructor (bus: BusCalls, onMessage: (message: unknown) => void) {
    this.#bus = bus
    this.#onMessage = onMessage
  }

  /** Subscribes to a channel, in place of an earlier subscription to it. */
  add (channel: string, onConfirmed: () => void = () => {}): void {
    // Each subscription has its own listener: mqemitter removes listeners late, and might remove that of the next
    // subscription.
    const listener: HubBusListener = (message, done) => {
      this.#onMessage(message)
      done()
    }
    let subscription = this.#subscriptions.get(channel)
    if (subscription === undefined) {
      subscription = { channel, listener, id: 0, onConfirmed }
      this.#subscriptions.set(channel, subscription)
    } else {
      this.#bus.removeListener(channel, subscription.listener)
      this.#failed.delete(subscription)
      Object.assign(subscription, { listener, onConfirmed })
    }
    // One that is not confirmed yet keeps its place: somebody may wait for it.
    if (!this.#unconfirmed.has(subscription)) {
      subscription.id = ++this.#lastId
      this.#unconfirmed.add(subscription)
    }
    this.#bus.on(channel, listener, error => this.#report(subscription, listener, error))
  }

  /** Ends the subscription to a channel that was added. */
  remove (channel: string): void {
    const subscription = this.#subscriptions.get(channel) as Subscription
    this.#subscriptions.delete(channel)
    this.#failed.delete(subscription)
    this.#bus.removeListener(channel, subscription.listener)
    this.#settle(subscription)
  }

  /** Subscribes anew to all channels but some: a bus may have forgotten them while it was away. */
  renew (except: ReadonlySet<string>): void {
    this.#renewal = inSlices([...this.#subscriptions.values()].map(({ channel, listener }) => ({ channel, listener })), ({ channel, listener }) => {
      // Removed or added again meanwhile: a client has joined again, or the bus was lost once more.
      const subscription = this.#subscriptions.get(channel)
      if (!except.has(channel) && subscription?.listener === listener) this.add(channel, subscription.onConfirmed)
    })
  }

  /** Whether messages are missed: the bus has refused a subscription, or has not confirmed one for more than a beat. */
  get deaf (): boolean {
    const [oldest] = this.#unconfirmed
    return this.#failed.size > 0 || (oldest !== undefined && oldest.id <= this.#overdue)
  }

  /** Tries again what the bus has refused to take. To be called at each beat. */
  retry (): void {
    this.#overdue = this.#known
    this.#known = this.#lastId
    for (const { channel, onConfirmed } of [...this.#failed]) this.add(channel, onConfirmed)
  }

  /** Resolves with `true` when the bus has confirmed all subscriptions so far, with `false` at the next {@link abandon}. */
  async confirmed (): Promise<boolean> {
    const losses = this.#losses
    await this.#renewal
    if (losses !== this.#losses) return false
    if (this.#unconfirmed.size === 0) return true
    return await new Promise(resolve => this.#waiting.push({ id: this.#lastId, resolve }))
  }

  /** Ends all waiting for confirmations. */
  abandon (): void {
    this.#losses++
    for (const { resolve } of this.#waiting.splice(0)) resolve(false)
  }

  /** Ends all subscriptions. */
  close (): void {
    this.abandon()
    for (const channel of [...this.#subscriptions.keys()]) this.remove(channel)
  }

  #report (subscription: Subscription, listener: HubBusListener, error: unknown): void {
    // A later subscription has taken its place.
    if (this.#subscriptions.get(subscription.channel)?.listener !== listener) return
    if (error) {
      this.#failed.add(subscription)
      return
    }
    this.#settle(subscription)
    subscription.onConfirmed()
  }

  #settle (subscription: Subscription): void {
    this.#unconfirmed.delete(subscription)
    const [oldest] = this.#unconfirmed
    const end = this.#waiting.findIndex(({ id }) => oldest !== undefined && id >= oldest.id)
    for (const { resolve } of this.#waiting.splice(0, end === -1 ? Infinity : end)) resolve(true)
  }
}
