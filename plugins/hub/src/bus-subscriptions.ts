import { inSlices } from '@fastify-airlock/core'
import type { HubBus, HubBusListener } from './bus.js'

/** Subscriptions that were made since the start, or since the bus was back the last time. */
interface Round {
  unconfirmed: number
}

/** What one node has subscribed to on the bus. A channel is a topic, or a pattern of topics, on the bus. */
export class BusSubscriptions {
  readonly #bus: HubBus
  readonly #onMessage: (message: unknown) => void
  readonly #listeners = new Map<string, HubBusListener>()
  #round: Round = { unconfirmed: 0 }
  #waiting: Array<(confirmed: boolean) => void> = []

  constructor (bus: HubBus, onMessage: (message: unknown) => void) {
    this.#bus = bus
    this.#onMessage = onMessage
  }

  /** Subscribes to a channel. {@link confirmed} waits for it. */
  add (channel: string): void {
    const round = this.#round
    round.unconfirmed++
    this.listen(channel, () => this.#confirm(round))
  }

  /** Subscribes to a channel. {@link confirmed} does not wait for it. */
  listen (channel: string, onConfirmed: () => void): void {
    // Each subscription has its own listener: mqemitter removes listeners late, and might remove that of the next
    // subscription.
    const listener: HubBusListener = (message, done) => {
      this.#onMessage(message)
      done()
    }
    this.#listeners.set(channel, listener)
    this.#bus.on(channel, listener, onConfirmed)
  }

  /** Ends the subscription to a channel. */
  remove (channel: string): void {
    this.#bus.removeListener(channel, this.#listeners.get(channel) as HubBusListener)
    this.#listeners.delete(channel)
  }

  /** Subscribes anew to all channels but one: a bus may have forgotten them while it was away. */
  renew (except: string): void {
    // Confirmations of earlier subscriptions no longer count.
    const round = this.#round = { unconfirmed: 1 }
    inSlices([...this.#listeners], ([channel, listener]) => {
      // Removed or added again meanwhile: a client has joined again, or the bus was lost once more.
      if (channel === except || this.#listeners.get(channel) !== listener) return
      this.remove(channel)
      this.add(channel)
    }).then(() => this.#confirm(round))
  }

  /** Resolves with `true` when the bus has confirmed all subscriptions, with `false` at the next {@link abandon}. */
  async confirmed (): Promise<boolean> {
    return this.#round.unconfirmed === 0 || await new Promise(resolve => this.#waiting.push(resolve))
  }

  /** Ends all waiting for confirmations. */
  abandon (): void {
    this.#resolve(false)
  }

  /** Ends all subscriptions. */
  close (): void {
    for (const channel of this.#listeners.keys()) this.remove(channel)
    this.abandon()
  }

  #confirm (round: Round): void {
    if (--round.unconfirmed === 0 && round === this.#round) this.#resolve(true)
  }

  #resolve (confirmed: boolean): void {
    for (const resolve of this.#waiting.splice(0)) resolve(confirmed)
  }
}
