import { isThenable } from '@fastify-airlock/core'
import type { HubBus, HubBusListener, HubBusMessage } from './bus.js'
import { handleBusErrors, watchConnection } from './internals.js'

type Report = (error?: unknown) => void

/** Settings of {@link BusCalls}. */
export interface BusCallsSettings {
  bus: HubBus
  /** Called with each error that the bus reports, in whatever way. */
  onError: (error: unknown) => void
  /** Called when the bus says that its connection is lost: messages and subscriptions may be lost as well. */
  onLost: () => void
  /** Called when the bus says that it is connected again. */
  onBack: () => void
}

/**
 * Calls a bus. Whatever way a bus has to fail, it ends in a report and never ends the process: it may throw, reject, call
 * back with an error, or emit one; at the start, in between, and when all is closed.
 */
export class BusCalls {
  readonly #bus: HubBus
  readonly #onError: (error: unknown) => void
  readonly #isReady: () => boolean
  /** Subscriptions that wait until the bus can take them. */
  readonly #held = new Map<HubBusListener, () => void>()

  constructor ({ bus, onError, onLost, onBack }: BusCallsSettings) {
    this.#bus = bus
    this.#onError = onError
    handleBusErrors(bus, onError)
    const onState = (state: 'lost' | 'back'): void => {
      if (state === 'lost') return onLost()
      for (const [listener, subscribe] of [...this.#held]) {
        this.#held.delete(listener)
        subscribe()
      }
      onBack()
    }
    this.#isReady = watchConnection(bus, onState)
    this.#call(() => bus.watch?.(onState), () => {}, true)
  }

  /** @param report called once: without an error when the subscription is confirmed, with one when it cannot be made */
  on (topic: string, listener: HubBusListener, report: Report): void {
    const subscribe = (): void => this.#call(done => this.#bus.on(topic, listener, done), report, false)
    if (this.#isReady()) subscribe()
    else this.#held.set(listener, subscribe)
  }

  /** @param report called at most once: with an error when the message is lost */
  emit (message: HubBusMessage, report: Report): void {
    this.#call(done => this.#bus.emit(message, done), report, true)
  }

  removeListener (topic: string, listener: HubBusListener): void {
    if (!this.#held.delete(listener)) this.#call(done => this.#bus.removeListener(topic, listener, done), () => {}, true)
  }

  /** @param promises whether a promise that is fulfilled says that all is well: only a callback confirms a subscription */
  #call (call: (done: Report) => unknown, report: Report, promises: boolean): void {
    let reported = false
    const once: Report = error => {
      if (reported) return
      reported = true
      if (error) this.#onError(error)
      report(error)
    }
    try {
      const result = call(once)
      if (isThenable(result)) result.then(() => { if (promises) once() }, error => once(error ?? new Error('the bus has failed')))
    } catch (error) {
      once(error ?? new Error('the bus has failed'))
    }
  }
}
