import t, { type Test } from 'tap'
import diagnostics from 'node:diagnostics_channel'
import { EventEmitter, once } from 'node:events'
import mqemitter, { type MQEmitter } from 'mqemitter'
import type { HubBus, HubBusMessage, WsHubOptions } from '../src/index.js'

import { testHubBus } from '../src/contract.js'
import { build, settle, twoNodes, until } from './helpers.js'

/** An mqemitter that can be away, as a broker can. */
class Broker implements HubBus {
  readonly emitter: MQEmitter & { removeAllListeners (topic: string): void }
  readonly emitted: HubBusMessage[] = []
  readonly state = new EventEmitter()
  readonly #subscriptions: Array<Parameters<HubBus['removeListener']>> = []
  away = false

  constructor (emitter = mqemitter()) {
    this.emitter = emitter as Broker['emitter']
  }

  on (topic: string, listener: (message: any, done: () => void) => void, callback?: () => void): void {
    if (this.away) return
    this.emitter.on(topic, listener, callback)
    this.#subscriptions.push([topic, listener])
  }

  /** Goes away, and forgets the subscriptions made through this end. */
  deaf (): void {
    this.away = true
    for (const [topic, listener] of this.#subscriptions) this.emitter.removeListener(topic, listener)
  }

  removeListener (topic: string, listener: (message: any, done: () => void) => void): void {
    if (!this.away) this.emitter.removeListener(topic, listener)
  }

  emit (message: HubBusMessage, callback?: (error?: Error | null) => void): void {
    if (this.away) {
      setImmediate(() => callback?.(new Error('broker away')))
      return
    }
    this.emitted.push(message)
    this.emitter.emit(message, () => callback?.())
  }
}

t.test('one mqemitter for all nodes of a process', async t => {
  const brokers: Broker[] = []
  testHubBus(t, {
    create: ({ interrupted }) => {
      const emitter = mqemitter()
      return () => {
        if (!interrupted) return emitter
        const broker = new Broker(emitter)
        brokers.push(broker)
        return broker
      }
    },
    interruption: {
      lose: () => { for (const broker of brokers) broker.deaf() },
      regain: () => { for (const broker of brokers) broker.away = false }
    },
    beat: 20
  })
})

async function withBroker (t: Test, options: WsHubOptions = {}, broker = new Broker()) {
  const lines: Array<Record<string, unknown>> = []
  const node = await build(t, {
    hub: { bus: broker, busBeat: 20, ...options },
    fastify: { logger: { level: 'info', stream: { write: (line: string) => { lines.push(JSON.parse(line)) } } } }
  })
  const said = (text: RegExp) => lines.filter(({ msg }) => text.test(String(msg)))
  return { ...node, broker, said }
}

t.test('the bus is lost and comes back', async t => {
  const states: unknown[] = []
  const listener = (event: unknown): void => { states.push(event) }
  diagnostics.subscribe('airlock:hub:bus', listener)
  t.teardown(() => diagnostics.unsubscribe('airlock:hub:bus', listener))
  const { hub, broker, said, pair } = await withBroker(t)
  await until(() => hub.health().bus === 'up')
  t.strictSame(hub.health(), { status: 'ok', bus: 'up', draining: false, connections: 0 })
  const { client, socket, messages } = await pair()
  hub.join(socket, 'news')

  broker.away = true
  broker.state.emit('error', new Error('connection refused'))
  t.equal(hub.publish('news', 'one'), 1)
  await until(() => hub.health().bus === 'down')
  t.strictSame(hub.health(), { status: 'degraded', bus: 'down', draining: false, connections: 1 })
  t.equal(await hub.busReady(), false)
  t.equal(hub.publish('news', 'two'), 1, 'clients of this node are served')
  t.equal(hub.stats.bus.lost, 2)
  t.equal(hub.stats.bus.sent, 1, 'nothing is sent to a bus that is down')
  await settle(client)
  t.strictSame(messages, ['one', 'two'])

  broker.away = false
  await until(() => hub.health().bus === 'up')
  t.equal(await hub.busReady(), true)
  hub.publish('news', 'three')
  t.equal(broker.emitted.filter(({ topic }) => topic === 'airlock/topic/news').length, 1)

  t.equal(said(/lost its bus/).length, 1)
  t.match(said(/lost its bus/), [{ level: 40, reason: 'broker away' }])
  t.equal(said(/bus back/).length, 1)
  t.strictSame(states, [{ state: 'up' }, { state: 'down' }, { state: 'up' }])
})

t.test('the hub subscribes again when the bus has forgotten its subscriptions', async t => {
  const { hub, broker, pair } = await withBroker(t)
  const other = await withBroker(t, {}, broker)
  await until(() => hub.health().bus === 'up' && other.hub.health().bus === 'up')
  const { socket, messages } = await pair()
  hub.join(socket, 'before')
  hub.join(socket, 'pattern/+', { wildcard: true })
  await hub.busReady()

  broker.away = true
  hub.join(socket, 'meanwhile')
  const waiting = hub.busReady()
  await until(() => hub.health().bus === 'down' && other.hub.health().bus === 'down')
  t.equal(await waiting, false, 'busReady does not hang')
  for (const topic of ['before', 'pattern/+']) broker.emitter.removeAllListeners(`airlock/topic/${topic}`)
  broker.emitter.removeAllListeners('airlock/broadcast')

  broker.away = false
  await until(() => hub.health().bus === 'up' && other.hub.health().bus === 'up')
  t.equal(await hub.busReady(), true)
  for (const topic of ['before', 'meanwhile', 'pattern/x']) other.hub.publish(topic, topic)
  other.hub.broadcast('all')
  await until(() => messages.length === 4)
  t.strictSame(messages, ['before', 'meanwhile', 'pattern/x', 'all'])
})

t.test('the bus is away from the start', async t => {
  const broker = new Broker()
  broker.away = true
  const { hub, said, pair } = await withBroker(t, {}, broker)
  t.equal(hub.health().bus, 'down', 'not up yet')
  t.equal(said(/lost its bus/).length, 0, 'and not lost')
  const { client, messages } = await pair()
  t.equal(hub.broadcast('hello'), 1)
  await settle(client)
  t.strictSame(messages, ['hello'])
  await until(() => said(/lost its bus/).length === 1)
  broker.away = false
  await until(() => hub.health().bus === 'up')
})

t.test('users who are disconnected while the bus is down are disconnected on other nodes when it is back', async t => {
  const { hub, broker } = await withBroker(t)
  const other = await withBroker(t, {}, broker)
  const alice = await other.pair('/ws?subject=alice')
  const bob = await other.pair('/ws?subject=bob')
  await until(() => hub.health().bus === 'up')
  const closes = [alice, bob].map(({ client }) => once(client, 'close'))
  broker.away = true
  hub.disconnect('alice', { code: 4001 })
  hub.disconnect('somebody else')
  await until(() => hub.health().bus === 'down' && other.hub.health().bus === 'down')
  hub.disconnect('bob', { code: 4002 })
  broker.away = false
  const codes = (await Promise.all(closes)).map(([code]) => code)
  t.strictSame(codes, [4001, 4002])
})

t.test('a node that was away receives the command later, and spares newer connections', async t => {
  const emitter = mqemitter()
  const brokers = [new Broker(emitter), new Broker(emitter)] as const
  const a = await withBroker(t, {}, brokers[0])
  const b = await withBroker(t, {}, brokers[1])
  await until(() => a.hub.health().bus === 'up' && b.hub.health().bus === 'up')
  const before = await b.pair('/ws?subject=alice')
  const closed = once(before.client, 'close')
  brokers[1].deaf()
  await until(() => b.hub.health().bus === 'down')
  t.equal(a.hub.health().bus, 'up')
  a.hub.disconnect('alice')
  await new Promise(resolve => setImmediate(resolve))
  const after = await b.pair('/ws?subject=alice')
  t.equal(b.hub.count(), 2)
  brokers[1].away = false
  t.equal((await closed)[0], 4403)
  await settle(after.client)
  t.ok(b.hub.connectionsOf('alice').has(after.socket))
  t.equal(after.socket.readyState, 1)
})

t.test('messages that are not from a hub are ignored', async t => {
  const broker = new Broker()
  const { hub, pair } = await withBroker(t, { busPrefix: 'mine/x' }, broker)
  const { client, messages } = await pair()
  await hub.busReady()
  const good = { topic: 'mine/x/broadcast', node: 'other', sequence: 1, payload: Buffer.from('good'), binary: false }
  const bad = [
    { topic: 'mine/x/broadcast' },
    { ...good, sequence: 'first' },
    { ...good, payload: 'good' },
    { ...good, payload: Buffer.from([0xff]) },
    { topic: 'mine/x/disconnect', node: 'other', sequence: 2, subject: 'alice', code: 1, reason: '', age: 0 }
  ]
  for (const message of bad) broker.emit(message)
  broker.emit(good)
  broker.emit(good)
  broker.emit({ ...good, sequence: 2, payload: Buffer.from('better') })
  await settle(client)
  t.strictSame(messages, ['good', 'better'])
  t.strictSame(hub.stats.bus, { sent: 0, received: 2, lost: 0, invalid: 5 })
})

t.test('a message that is too large for this node is not delivered', async t => {
  const bus = mqemitter()
  const small = await build(t, { hub: { bus, maxBufferedBytes: 100 } })
  const big = await build(t, { hub: { bus } })
  const { client, messages } = await small.pair()
  await until(() => small.hub.health().bus === 'up')
  big.hub.broadcast('x'.repeat(200))
  big.hub.broadcast('short')
  await settle(client)
  t.strictSame(messages, ['short'])
  t.equal(small.hub.count(), 1)
  t.equal(small.hub.stats.bus.invalid, 1)
})

t.test('a filter works on its own node only', async t => {
  const bus = mqemitter()
  const [a, b] = await twoNodes(t, () => bus)
  const here = await a.pair()
  const there = await b.pair()
  t.throws(() => a.hub.broadcast('x', { filter: () => true }), { code: 'WSA_HUB_ERR_FILTER' })
  t.equal(a.hub.broadcast('filtered', { filter: () => true, local: true }), 1)
  t.equal(a.hub.broadcast('but one', { except: here.socket }), 0)
  await settle(here.client, there.client)
  t.strictSame([here.messages, there.messages], [['filtered'], ['but one']])
  t.equal(a.hub.stats.bus.sent, 1)
})

t.test('hubs with different prefixes do not hear each other', async t => {
  const bus = mqemitter()
  const a = await build(t, { hub: { bus, busPrefix: 'a' } })
  const b = await build(t, { hub: { bus, busPrefix: 'b' } })
  const { client, messages } = await b.pair()
  a.hub.broadcast('for a')
  a.hub.disconnect('alice')
  await settle(client)
  t.strictSame(messages, [])
  t.equal(b.hub.stats.bus.invalid, 0)
})

t.test('a closed hub ends its subscriptions and leaves the bus open', async t => {
  const bus = mqemitter()
  const removed: string[] = []
  t.intercept(bus, 'removeListener', {
    value (this: typeof bus, topic: string, ...rest: [never]) {
      removed.push(topic)
      return Object.getPrototypeOf(bus).removeListener.call(bus, topic, ...rest)
    }
  })
  const { app, hub, pair } = await build(t, { hub: { bus } })
  const { socket } = await pair()
  hub.join(socket, 'news')
  const waiting = hub.busReady()
  await app.close()
  t.type(await waiting, 'boolean')
  t.strictSame(removed.map(topic => topic.replace(/node\/.*/, 'node')).sort(), [
    'airlock/beat', 'airlock/broadcast', 'airlock/disconnect', 'airlock/node', 'airlock/return', 'airlock/topic/news'
  ])
  const heard = new Promise(resolve => {
    bus.on('still/open', (message, done) => {
      resolve(message.topic)
      done()
    })
  })
  bus.emit({ topic: 'still/open' })
  t.equal(await heard, 'still/open')
})

t.test('a failed insertion of mqemitter-mongodb does not end the process', async t => {
  // As in mqemitter-mongodb, where `status` is an emitter; another bus may have something else there.
  const broker = Object.assign(new Broker(), { _executingBulk: null as Promise<unknown> | null, status: 'ready' })
  const { hub, said } = await withBroker(t, {}, broker)
  broker._executingBulk = Promise.reject(new Error('no primary'))
  await t.rejects(broker._executingBulk, { message: 'no primary' })
  broker._executingBulk = null
  await until(() => hub.health().bus === 'up')
  broker.away = true
  await until(() => said(/lost its bus/).length === 1)
})

t.test('more orders than maxOrders are logged, and degrade health', async t => {
  const { hub, said } = await withBroker(t, { maxOrders: 3 })
  await until(() => hub.health().bus === 'up')
  for (let number = 0; number < 3; number++) hub.disconnect(`user ${number}`)
  t.equal(hub.health().status, 'ok')
  for (let number = 0; number < 3; number++) hub.disconnect(`user ${number}`)
  t.match(hub.health(), { status: 'degraded', bus: 'up' })
  t.match(said(/has to drop orders/), [{ level: 40, limit: 3 }])
  t.equal(said(/has to drop orders/).length, 1)
})
