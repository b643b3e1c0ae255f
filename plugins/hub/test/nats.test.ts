import t from 'tap'
import { setTimeout as sleep } from 'node:timers/promises'
import { requireServer, startNats, type PrivateServer } from '@fastify-airlock/test-servers'
import { connect as connectToNats, type NatsConnection } from '@nats-io/transport-node'
import { NatsBus } from '../src/buses/nats.js'
import { type ContractTest, testHubBus } from '../src/contract.js'
import type { HubBusListener, HubBusMessage } from '../src/index.js'
import { build, twoNodes, until } from './helpers.js'

t.test('what is no connection is refused', async t => {
  for (const connection of [{}, { publish () {} }, 'nats://127.0.0.1']) {
    t.throws(() => new NatsBus(connection as unknown as NatsConnection), { code: 'WSA_HUB_ERR_OPTION' })
  }
})

t.test('a connection that cannot be made is the reason why messages are lost', async t => {
  for (const reason of [new Error('connection refused'), 'connection refused']) {
    const bus = new NatsBus(Promise.reject(reason))
    const listener = (): never => t.fail('a message') as never
    bus.on('x', listener, () => t.fail('confirmed'))
    await sleep(1)
    t.match(await emit(bus, { topic: 'x' }), { message: 'NATS is away: connection refused' })
    for (let i = 0; i < 2; i++) await new Promise<void>(resolve => bus.removeListener('x', listener, resolve))
    bus.emit({ topic: 'x' })
  }
})

const nats = requireServer(t, await startNats())
if (nats !== null) {
  t.comment(nats.kind)
  t.teardown(() => nats.stop())
  await suite(nats)
}

/** Resolves to the error, if there is one. */
function emit (bus: NatsBus, message: HubBusMessage): Promise<Error | null | undefined> {
  return new Promise(resolve => bus.emit(message, resolve))
}

/** Waits until messages fail for a reason. */
async function failure (bus: NatsBus, reason: RegExp): Promise<void> {
  while (!reason.test((await emit(bus, { topic: 'x' }))?.message ?? '')) await sleep(2)
}

/** A node's own connection, as the README advises it. */
async function open (t: Pick<ContractTest, 'teardown'>, url: string, options: object = {}): Promise<NatsConnection> {
  const connection = await connectToNats({ servers: url, maxReconnectAttempts: -1, reconnectTimeWait: 50, ...options })
  t.teardown(() => connection.close())
  return connection
}

async function suite (nats: PrivateServer) {
  const connect = async (t: Pick<ContractTest, 'teardown'>): Promise<NatsBus> => new NatsBus(await open(t, nats.url))

  await t.test('contract', async t => {
    testHubBus(t, {
      create: () => connect,
      interruption: { lose: () => nats.kill(), regain: () => nats.restart() }
    })
  })

  await t.test('NATS stands still for a while', async t => {
    const connections = [await open(t, nats.url), await open(t, nats.url)]
    const [a, b] = await twoNodes(t, () => new NatsBus(connections.pop() as NatsConnection), { busBeat: 400 })
    const { socket, messages } = await b.pair()
    b.hub.join(socket, 'news')
    t.ok(await b.hub.busReady())

    await nats.pause()
    a.hub.publish('news', 'late')
    await until(() => [a, b].every(({ hub }) => hub.health().bus === 'down'))
    a.hub.publish('news', 'lost')
    nats.resume()
    await until(() => [a, b].every(({ hub }) => hub.health().bus === 'up'))
    t.ok(await b.hub.busReady())
    a.hub.publish('news', 'in time')
    await until(() => messages.at(-1) === 'in time')
    t.strictSame(messages, ['late', 'in time'])
  })

  await t.test('NATS is away when the nodes start', async t => {
    await nats.kill()
    const start = async () => {
      const connection = connectToNats({ servers: nats.url, waitOnFirstConnect: true, maxReconnectAttempts: -1, reconnectTimeWait: 50 })
      t.teardown(async () => await (await connection).close())
      return await build(t, { hub: { bus: new NatsBus(connection), busBeat: 400 } })
    }
    const [a, b] = [await start(), await start()]
    const { socket, messages } = await b.pair()
    b.hub.join(socket, 'news')
    t.equal(await b.hub.busReady(), false)
    t.equal(b.hub.health().status, 'degraded')
    t.equal(a.hub.publish('news', 'lost'), 0)

    await nats.restart()
    await until(() => [a, b].every(({ hub }) => hub.health().bus === 'up'))
    t.ok(await b.hub.busReady())
    a.hub.publish('news', 'in time')
    await until(() => messages.length > 0)
    t.strictSame(messages, ['in time'])
  })

  await t.test('a subscription under way when the connection is lost is confirmed when it is back', async t => {
    const bus = await connect(t)
    await nats.pause()
    const confirmed = new Promise<void>(resolve => bus.on('x/late', (_, done) => done(), resolve))
    await nats.kill()
    await failure(bus, /^NATS is away: the connection is lost$/)
    await nats.restart()
    await confirmed
    t.equal(await emit(bus, { topic: 'x' }), undefined)
  })

  await t.test('a subscription that is made again at once misses nothing', async t => {
    const [a, b] = [await connect(t), await connect(t)]
    const found = new Set<unknown>()
    const subscribe = (confirmed?: () => void) => {
      const listener: HubBusListener = ({ sequence }) => { found.add(sequence) }
      b.on('x/again', listener, confirmed)
      return listener
    }
    let listener: HubBusListener
    await new Promise<void>(resolve => { listener = subscribe(resolve) })
    const sent = 300
    for (let sequence = 0; sequence < sent; sequence++) {
      await emit(a, { topic: 'x/again', sequence })
      if (sequence % 3 === 0) await sleep(0)
      b.removeListener('x/again', listener!)
      listener = subscribe()
    }
    // By now every message has come: the last subscription is confirmed after all of them.
    await new Promise<void>(resolve => b.on('x/done', () => { resolve() }, () => { emit(a, { topic: 'x/done', sequence: 0 }).catch(() => {}) }))
    t.equal(found.size, sent)
  })

  await t.test('topics of any characters are themselves alone', async t => {
    const [a, b] = [await connect(t), await connect(t)]
    const topics = ['a.b', 'a/b', 'a*', '*', '>', 'a b', 'a\r\nPUB x 0', '\0', '=', '=002e', '', '/', '//', 'ä', '\ud800', '+', 'x/+', 'é/🌍', '/'.repeat(63), '.'.repeat(256)]
    const found: HubBusMessage[] = []
    for (const topic of topics) {
      if (topic.includes('+')) continue
      await new Promise<void>(resolve => b.on(topic, message => { found.push({ ...message, subscription: topic }) }, resolve))
    }
    await new Promise<void>(resolve => b.on('x/+', message => { found.push({ ...message, subscription: 'x/+' }) }, resolve))
    for (const topic of topics) t.equal(await emit(a, { topic }), undefined)
    await until(() => found.length >= topics.length - 1)
    for (const { topic, subscription } of found) t.equal(subscription, topic)
  })

  await t.test('a pattern of everything', async t => {
    const [a, b] = [await connect(t), await connect(t)]
    const found: string[] = []
    await new Promise<void>(resolve => b.on('#', ({ topic }) => { found.push(topic) }, resolve))
    for (const topic of ['', 'x', 'x//y']) await emit(a, { topic })
    await until(() => found.length === 3)
    t.strictSame(found, ['', 'x', 'x//y'])
  })

  await t.test('what is not from a hub arrives as a topic alone', async t => {
    const connection = await open(t, nats.url)
    const bus = await connect(t)
    const found: HubBusMessage[] = []
    await new Promise<void>(resolve => bus.on('x/foreign', message => { found.push(message) }, resolve))
    for (const data of ['', '{', 'null', '[]', '\n', '{"topic":"other"}', '{"payload":"text"}']) connection.publish('x.foreign', data)
    await until(() => found.length === 7)
    t.match(found, Array(7).fill({ topic: 'x/foreign' }))
    t.equal(found.at(-1)?.payload, undefined)
    t.match(found[4]?.payload, Buffer.alloc(0))
  })

  await t.test('a message that is too large, and a connection that is closed', async t => {
    const connection = await open(t, nats.url)
    const bus = new NatsBus(connection)
    t.match(await emit(bus, { topic: 'x', payload: Buffer.alloc(2_000_000) }), { message: /max_payload/ })
    t.equal(await emit(bus, { topic: 'x', payload: Buffer.alloc(200_000) }), undefined)
    await connection.close()
    bus.on('x', () => {}, () => t.fail('confirmed'))
    await failure(bus, /^NATS is away: .*closed/)
  })

  await t.test('what NATS does not let its user subscribe to is not confirmed', async t => {
    const folder = t.testdir({
      'nats.conf': 'authorization { users: [{ user: airlock, password: "of the test", permissions: { publish: ">", subscribe: "airlock.>" } }] }'
    })
    const restricted = requireServer(t, await startNats('--config', `${folder}/nats.conf`))
    if (restricted === null) return
    t.teardown(() => restricted.stop())
    const bus = new NatsBus(await open(t, restricted.url, { user: 'airlock', pass: 'of the test' }))
    bus.on('other', () => {}, () => t.fail('confirmed'))
    await new Promise<void>(resolve => bus.on('airlock/x', () => {}, resolve))
  })
}
