import { testHubs, testInterruption } from './contract/hubs.js'
import { testMethods } from './contract/methods.js'
import type { ContractSettings, ContractTest } from './contract/types.js'

export { type CounterContractSettings, testConnectionCounter } from './contract/counter.js'
export type * from './contract/types.js'

/**
 * Tests what the hub needs of a bus: everything that `HubBus` says.
 *
 * @example
 * import t from 'tap'
 * import { testHubBus } from '@fastify-airlock/hub/contract'
 *
 * testHubBus(t, {
 *   create: () => {
 *     const subject = randomUUID()
 *     return t => {
 *       const bus = new MyBus({ url, subject })
 *       t.teardown(() => bus.close())
 *       return bus
 *     }
 *   },
 *   interruption: { lose: () => broker.kill(), regain: () => broker.restart() }
 * })
 */
export function testHubBus (t: ContractTest, settings: ContractSettings): void {
  testMethods(t, settings)
  testHubs(t, settings)
  if (settings.interruption !== undefined) testInterruption(t, settings, settings.interruption)
}
