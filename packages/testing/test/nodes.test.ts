// Runs alone: diagnostics channels are those of the whole process.
import { MemoryStore } from '@fastify-airlock/ticket'
import { MemoryConnectionCounter } from '@fastify-airlock/hub'
import { createMetrics } from '@fastify-airlock/metrics'
import t from 'tap'
import { standingClock, testNodes, testServer, until } from '../src/index.js'
import { build } from './build.js'

t.test('two nodes on one bus', async t => {
  const store = new MemoryStore()
  const { nodes: [one, two], bus } = await testNodes(2, async ({ bus }) => await build({ ticket: { store }, hub: { bus } }), { t })
  const phone = one!.device('alice')
  const alice = await phone.open()
  const bob = await two!.device('bob').open()
  alice.send('hello')
  t.same(await bob.next(), { from: 'alice', text: 'hello' })
  await alice.next()
  await alice.never()
  alice.send('again')
  await t.rejects(bob.never(), { code: 'WSA_TESTING_ERR_UNEXPECTED' }, 'what is on its way between nodes is noticed')
  await bob.next()
  await alice.next()

  bus.hold()
  alice.send('held back')
  await alice.next()
  await bob.never()
  bus.release()
  t.match(await bob.next(), { text: 'held back' })

  const moved = await phone.moveTo(two!).open()
  t.match(moved.user, { id: 'alice' }, 'the same login on another node')
  t.equal(two!.app.wsHub.count(), 2)
})

t.test('a node that dies takes nobody with it', async t => {
  const { nodes: [one, two], kill } = await testNodes(2, async ({ bus, index }) => {
    t.type(index, 'number')
    return await build({ hub: { bus } })
  }, { t })
  const alice = await one!.device('alice').open()
  const bob = await two!.device('bob').open()
  await kill(0)
  t.match(await alice.closed, { code: 1006 })
  bob.send('still here')
  t.match(await bob.next(), { from: 'bob' })
})

t.test('a store that nodes share outlives the node that ends first', async t => {
  for (const end of ['kill', 'close', 'app.close'] as const) {
    const store = new MemoryStore()
    const { nodes: [one, two], kill, close } = await testNodes(2, async ({ bus, share }) => {
      const own = share(store)
      t.ok(own instanceof MemoryStore)
      return await build({ ticket: { store: own }, hub: { bus } })
    })
    const { ticket } = await one!.device('alice').ticket()
    if (end === 'kill') await kill(0)
    else await (end === 'close' ? one! : one!.app).close()
    t.match((await two!.device('alice').open('/ws', { ticket })).user, { id: 'alice' }, `${end}: a ticket of before`)
    t.match((await two!.device('bob').open()).user, { id: 'bob' }, `${end}: a new one`)
    await close()
    t.throws(() => store.take('a', 'b', 0), { code: 'WSA_TICKET_ERR_STORE_CLOSED' }, `${end}: in the end it is closed`)
  }
})

t.test('a store that is not shared by name survives a node that is killed', async t => {
  const store = new MemoryStore()
  const { nodes: [, two], kill } = await testNodes(2, async ({ bus }) => await build({ ticket: { store }, hub: { bus } }), { t })
  await kill(0)
  t.match((await two!.device('alice').open()).user, { id: 'alice' })
})

t.test('what a node shares', async t => {
  const calls: string[] = []
  const target = {
    name: 'shared',
    has: () => true,
    add: async (n: number) => n + 1,
    close: (done?: () => void) => {
      calls.push('close')
      done?.()
    }
  }
  const handles: Array<typeof target> = []
  const { default: Fastify } = await import('fastify')
  const { nodes, kill, close } = await testNodes(2, ({ share }) => {
    handles.push(share(target))
    share({})
    return Fastify()
  })
  t.equal(nodes.length, 2)
  const [first, second] = handles as [typeof target, typeof target]
  t.equal(first.name, 'shared')
  await new Promise<void>(resolve => first.close(resolve))
  first.close()
  await kill(0)
  await t.rejects(first.add(1), { code: 'WSA_TESTING_ERR_KILLED', message: 'Node 0: the test has killed this node' })
  t.equal(first.has(), true)
  t.equal(await second.add(1), 2)
  t.same(calls, [])
  await close()
  t.same(calls, ['close'])
})

t.test('two beats of a clock are enough for a node that was killed', async t => {
  const clock = standingClock(t)
  const counter = new MemoryConnectionCounter()
  const { nodes: [one, two], kill, close } = await testNodes(2, async ({ bus, share }) => {
    const app = await build({ hub: { bus, connectionCounter: share(counter), maxConnectionsPerSubject: 1, onSubjectLimit: 'refuse' }, presence: { topics: ['room'], grace: 1_000 } })
    app.wsRoute('/room', { hub: { topics: ['room'] } }, () => {})
    return app
  })
  // The clock is put back only after it.
  t.teardown(async () => {
    const closed = close()
    await clock.advance(60_000)
    await closed
  })
  await one!.device('alice').open('/room')
  await two!.device('bob').open('/room')
  const { wsHub, wsPresence } = two!.app
  const here = (): string[] => wsPresence.of('room').map(({ subject }) => subject).sort()
  await until(here, ['alice', 'bob'], { clock })
  const more = await two!.device('alice').open('/room')
  t.match(await more.closed, { code: 4429 }, 'alice has her one place')

  await kill(0)
  const order = wsHub.disconnectAll('carol')
  t.same(here(), ['alice', 'bob'], 'nobody knows yet')
  await clock.advance(11_000)
  t.same(await order, { closed: 0, nodes: 1 })
  t.same(here(), ['bob'])
  t.match((await two!.device('alice').open('/room')).user, { id: 'alice' })
  await until(here, ['alice', 'bob'], { clock })
  t.equal(wsHub.count(), 2, 'and her place is free')
  await clock.advance(10_000)
  t.same((await wsHub.nodes()).map(({ own }) => own), [true], 'the hub has forgotten it')
})

t.test('two nodes without a bus do not mix', async t => {
  const [one, two] = [await testServer(await build(), { t }), await testServer(await build(), { t })]
  const [here, there] = [await one.device('alice').open(), await two.device('alice').open()]
  here.send('hello')
  await here.next()
  await there.never()
  const hubs = [one, two].map(({ app }) => app.wsHub)
  t.same(hubs.map(hub => hub.count()), [1, 1])
  t.equal(hubs[0]!.disconnect('alice'), 1)
  await here.closed
  t.equal(hubs[1]!.count(), 1)
  await there.never()
  await two.device('alice').open()
  t.match(await two.device('alice').refused('/ws', { ticket: (await one.device('alice').ticket()).ticket }), { status: 401 }, 'nor their tickets')
})

t.test('two nodes do not mix in metrics', async t => {
  const [one, two] = [await testServer(await build(), { t }), await testServer(await build(), { t })]
  const metrics = [one, two].map(({ app }) => createMetrics(app))
  t.teardown(() => { for (const { close } of metrics) close() })
  await one.device('alice').open()
  await one.device('alice').refused('/ws', { ticket: 'A'.repeat(43) })
  await one.device('alice').refused('/ws', { token: 'none' })
  const [first, second] = await Promise.all(metrics.map(({ registry }) => registry.metrics()))
  for (const line of [
    'airlock_handshake_duration_seconds_count 1',
    'airlock_refusals_total{by="guard",code="WSA_GUARD_ERR_INVALID_CREDENTIAL"} 1',
    'airlock_refusals_total{by="handshake",code="4401"} 1',
    'airlock_connections{state="authenticated"} 1'
  ]) {
    t.match(first, line)
    t.notMatch(second, line)
  }
})

t.test('nodes without a hub, without the bus, and with a bus that is not heard', async t => {
  const { default: Fastify } = await import('fastify')
  const plain = await testNodes(1, () => Fastify())
  await plain.close()
  await t.rejects(testNodes(1, async () => await build()), { code: 'WSA_TESTING_ERR_NODE', message: /Node 0 of testNodes: its hub has no bus/ })
  await t.rejects(testNodes(1, async ({ bus }) => await build({ hub: { bus: { ...bus, on: () => {}, emit: () => {}, removeListener: () => {} } } }), { timeout: 20 }), {
    code: 'WSA_TESTING_ERR_NODE', message: /does not hear the bus/, cause: { code: 'WSA_TESTING_ERR_TIMEOUT' }
  })
  await t.rejects(testNodes(1, () => { throw new Error('no node') }), { message: 'no node' })
  await t.rejects(testNodes(1, () => Fastify(), { t: {} } as object), { code: 'WSA_TESTING_ERR_OPTION' })
  const disposed = await testNodes(1, async ({ bus }) => await build({ hub: { bus } }))
  await disposed[Symbol.asyncDispose]()
  await until(() => true)
})
