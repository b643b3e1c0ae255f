import t, { type Test } from 'tap'
import { once } from 'node:events'
import type { HubBusMessage } from '@fastify-airlock/hub'
import mqemitter from 'mqemitter'
import { build, nodes, until } from './helpers.js'

/** A bus for several nodes, of which a test may have messages lost. */
function createBus (t: Test) {
  const bus = mqemitter({ concurrency: 100 })
  const loss = { loses: (_topic: string): boolean => false, lost: 0, all: [] as string[] }
  const connect = () => {
    const own = Object.create(bus) as typeof bus
    own.emit = ((message: HubBusMessage, done?: () => void) => {
      loss.all.push(message.topic)
      if (!loss.loses(message.topic)) return bus.emit(message as never, done)
      loss.lost++
      done?.()
    }) as never
    return own as never
  }
  return { connect, loss }
}

const PRESENCE = { reportInterval: 1, grace: 300, syncInterval: 20 }

t.test('every node sees who is there on all of them', async t => {
  const { connect } = createBus(t)
  const [a, b] = await nodes(t, 2, connect, { presence: { ...PRESENCE, grace: 3_600_000 } }) as [Awaited<ReturnType<typeof build>>, Awaited<ReturnType<typeof build>>]
  const watcher = await a.connect('watcher')
  await watcher.watch('room')
  const one = await b.connect('alice', 'room')
  await watcher.sees('room', { alice: 1 })
  one.send({ type: 'presence:set', topic: 'room', state: { typing: true } })
  await watcher.sees('room', { alice: [1, { typing: true }] })
  const other = await a.connect('alice', 'room')
  await watcher.sees('room', { alice: [2, { typing: true }] })
  other.send({ type: 'presence:set', topic: 'room', state: 'away' })
  await watcher.sees('room', { alice: [2, 'away'] })
  await until(() => JSON.stringify(b.presence.of('room')) === '[{"subject":"alice","connections":2,"state":"away"}]')
  t.same(a.presence.of('room'), b.presence.of('room'))
  t.same(a.presence.of().map(({ subject }) => subject).sort(), ['alice', 'watcher'])
  await other.close()
  await watcher.sees('room', { alice: [1, { typing: true }] })
  t.equal(a.presence.stats.nodes, 1)
  t.ok(a.presence.stats.bus.received > 0)
})

t.test('one who comes back on another node within the grace has never left', async t => {
  const { connect } = createBus(t)
  const [a, b] = await nodes(t, 2, connect, { presence: { ...PRESENCE, grace: 3_600_000 } }) as [Awaited<ReturnType<typeof build>>, Awaited<ReturnType<typeof build>>]
  const watcher = await a.connect('watcher')
  await watcher.watch('room')
  const before = await b.connect('alice', 'room')
  await watcher.sees('room', { alice: 1 })
  const told = watcher.all.length
  await before.close()
  await until(() => b.hub.count() === 0)
  await a.connect('alice', 'room')
  await a.connect('mark', 'room')
  await watcher.sees('room', { alice: 1, mark: 1 })
  const after = watcher.all.slice(told)
  const here = after.flatMap(({ here = [] }) => here)
  t.same(after.flatMap(({ gone = [] }) => gone), [])
  t.same(here.filter(({ subject }) => subject !== 'alice'), [{ subject: 'mark', connections: 1 }])
  // Node `a` may have the new connection before it hears that the other one has ended: two for a moment, never none.
  const ofAlice = here.flatMap(({ subject, connections }) => subject === 'alice' ? [connections] : [])
  t.ok(['', '2,1'].includes(String(ofAlice)), `alice: ${String(ofAlice)}`)
})

t.test('a node that comes later knows all of it', async t => {
  const { connect } = createBus(t)
  const [a] = await nodes(t, 1, connect, { presence: PRESENCE }) as [Awaited<ReturnType<typeof build>>]
  await Promise.all(Array.from({ length: 30 }, (_, n) => a.connect(`user ${n}`, 'room', { })))
  for (const socket of a.sockets) a.presence.set(socket, 'room', 'x'.repeat(1_000))
  const [b] = await nodes(t, 1, connect, { presence: PRESENCE }) as [typeof a]
  await until(() => b.presence.of('room').length === 30 && b.presence.of('room').every(({ state }) => state !== undefined))
  t.equal(b.presence.of().length, 30)
})

t.test('what the bus has lost is noticed, the last message too', async t => {
  const { connect, loss } = createBus(t)
  const [a, b] = await nodes(t, 2, connect, { presence: PRESENCE }) as [Awaited<ReturnType<typeof build>>, Awaited<ReturnType<typeof build>>]
  await until(() => b.presence.stats.nodes === 1)
  loss.loses = topic => topic.includes('presence') || topic.includes('tell')
  await a.connect('alice', 'room')
  await until(() => loss.lost > 2)
  t.same(b.presence.of('room'), [])
  loss.loses = () => false
  await until(() => b.presence.of('room').length === 1)
  t.pass('found')
})

t.test('a node that shuts down leaves its users the grace, one that dies does not', async t => {
  const { connect, loss } = createBus(t)
  const [a, b, c] = await nodes(t, 3, connect, { hub: { busBeat: 300 }, presence: { ...PRESENCE, grace: 3_600_000 } }) as Array<Awaited<ReturnType<typeof build>>> as [Awaited<ReturnType<typeof build>>, Awaited<ReturnType<typeof build>>, Awaited<ReturnType<typeof build>>]
  const watcher = await a.connect('watcher')
  await watcher.watch('room')
  await b.connect('bob', 'room')
  await c.connect('carol', 'room')
  await watcher.sees('room', { bob: 1, carol: 1 })
  await c.app.close()
  await until(() => a.presence.stats.nodes === 2)
  t.same(a.presence.of('room').map(({ subject }) => subject).sort(), ['bob', 'carol'], 'carol may come back')
  // Nothing that a node sends arrives any more: for the others it is dead.
  loss.loses = () => true
  await watcher.sees('room', { carol: 1 })
  loss.loses = () => false
  await watcher.sees('room', { bob: 1, carol: 1 })
})

t.test('it is off the bus when the server has closed, and tells nobody anything where there is no bus', async t => {
  const { connect, loss } = createBus(t)
  const [a] = await nodes(t, 1, connect, { presence: PRESENCE }) as [Awaited<ReturnType<typeof build>>]
  const client = await a.connect('alice', 'room')
  await client.watch('room')
  const closed = once(client.socket, 'close')
  await a.app.close()
  await closed
  loss.all.length = 0
  await new Promise(resolve => setTimeout(resolve, 60))
  t.same(loss.all, [])
  t.same(a.presence.of('room'), [{ subject: 'alice', connections: 1 }])
  const alone = await build(t)
  await alone.connect('alice', 'room')
  t.same(alone.presence.stats.bus, { sent: 0, received: 0, asked: 0, invalid: 0 })
})

t.test('what others write to the bus is checked', async t => {
  const { connect } = createBus(t)
  const [a, b] = await nodes(t, 2, connect, { presence: PRESENCE }) as [Awaited<ReturnType<typeof build>>, Awaited<ReturnType<typeof build>>]
  for (const data of [null, { kind: 'change' }]) b.hub.tell('airlock:presence', data, { to: 'others' })
  await until(() => a.presence.stats.bus.invalid === 2)
  await b.connect('alice', 'room')
  await until(() => a.presence.of('room').length === 1)
  t.pass('it goes on')
})
