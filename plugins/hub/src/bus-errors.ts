import type { HubBus } from './hub-options.js'

interface Emitter {
  on? (event: 'error', listener: (error: unknown) => void): unknown
}

interface Internals {
  /** `mqemitter-redis`: what happens to its connections. */
  state?: Emitter
  /** `mqemitter-mongodb`: the same. */
  status?: Emitter
  /** `mqemitter-mongodb`: the insertion under way. */
  _executingBulk?: Promise<unknown> | null
}

/**
 * Takes what a bus reports beside its callbacks. Left to nobody, it would end the process: an `'error'` event when
 * Redis goes away, a rejected insertion when MongoDB does. The listeners stay when the hub has closed, since the bus
 * may have trouble even then.
 */
export function catchErrors (bus: HubBus, onError: (error: unknown) => void): void {
  const internals = bus as Internals
  for (const emitter of [internals.state, internals.status]) emitter?.on?.('error', onError)
  if (!('_executingBulk' in internals)) return
  let bulk = internals._executingBulk
  Object.defineProperty(internals, '_executingBulk', {
    configurable: true,
    enumerable: true,
    get: () => bulk,
    set (value: typeof bulk) {
      bulk = value
      value?.catch(onError)
    }
  })
}
