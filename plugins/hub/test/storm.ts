import type { Test } from 'tap'
import { Hub } from '../src/hub.js'
import { ContractSocket } from '../src/contract/nodes.js'
import { type HubBus, type WsHubOptions } from '../src/index.js'
import { parseHubOptions } from '../src/options.js'
import { until } from './helpers.js'

/** Settings of a {@link storm}. */
interface Storm {
  /** Gives a node its end of the bus. */
  connect: (t: Test) => HubBus | Promise<HubBus>
  /** Cuts the bus, and resolves when it is back. */
  cut: () => unknown
  orders: number
  /** Time between two orders, in milliseconds. */
  every: number
  /** Time between two cuts, in milliseconds. */
  between: number
  options?: WsHubOptions
}

/**
 * Three nodes disconnect 1,000 users while their bus is cut again and again. Each user is on another node, and logs in there
 * again once the order has arrived: none may stay, and no later login may be closed.
 */
export async function storm (t: Test, { connect, cut, orders, every, between, options = {} }: Storm): Promise<void> {
  const ignore = (): void => {}
  const log = { info: ignore, warn: ignore, error (details: object) { t.fail('an error', details) } } as never
  const hubs: Hub[] = []
  for (let index = 0; index < 3; index++) {
    const hub = new Hub(parseHubOptions({ busBeat: 200, ...options, bus: await connect(t) }), log)
    t.teardown(() => hub.close())
    hubs.push(hub)
  }
  await until(() => hubs.every(hub => hub.health().bus === 'up'))
  const before: ContractSocket[] = []
  const after: ContractSocket[] = []
  for (let number = 0; number < orders; number++) before.push(new ContractSocket(hubs[(number + 1) % 3] as Hub, `user ${number}`))
  const over = new AbortController()
  let cuts = 0
  const cutting = (async () => {
    while (!over.signal.aborted) {
      await cut()
      cuts++
      await new Promise(resolve => setTimeout(resolve, between * Math.random()))
    }
  })()
  for (const [number, socket] of before.entries()) {
    socket.once('close', () => { after.push(new ContractSocket(hubs[(number + 1) % 3] as Hub, `user ${number}`)) })
  }
  for (let number = 0; number < orders; number++) {
    ;(hubs[number % 3] as Hub).disconnect(`user ${number}`)
    await new Promise(resolve => setTimeout(resolve, every))
  }
  over.abort()
  await cutting
  await until(() => before.every(({ closed }) => closed !== null))
  // Beats, and all that is told again.
  await until(() => hubs.every(hub => hub.health().bus === 'up'))
  await new Promise(resolve => setTimeout(resolve, 1_000))
  t.ok(cuts > 0, `${cuts} cuts`)
  t.equal(after.length, orders, 'none is lost')
  t.equal(after.filter(({ closed }) => closed !== null).length, 0, 'no later login is closed')
}
