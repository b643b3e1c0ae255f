import t, { type Test } from 'tap'
import { once } from 'node:events'
import mqemitter from 'mqemitter'
import { build, until } from './helpers.js'

/** A node of the version before orders were numbered, as far as the bus is concerned: it reads what that version read. */
function oldNode (t: Test, bus: ReturnType<typeof mqemitter>) {
  const heard: Array<Record<string, unknown>> = []
  let sequence = 0
  const listen = (topic: string): void => {
    const listener = (message: Record<string, unknown>, done: () => void): void => {
      if (message.node !== 'old') heard.push(message)
      done()
    }
    bus.on(topic, listener)
    t.teardown(() => bus.removeListener(topic, listener))
  }
  for (const channel of ['broadcast', 'disconnect', 'return', 'node/old']) listen(`airlock/${channel}`)
  return {
    send: (channel: string, members: object) => bus.emit({ topic: `airlock/${channel}`, node: 'old', sequence: ++sequence, ...members }),
    /** What that version takes for an order. */
    orders: () => heard.filter(({ topic, subject, code, reason, age }) => /disconnect|node/.test(String(topic)) &&
      typeof subject === 'string' && typeof code === 'number' && typeof reason === 'string' && typeof age === 'number' && age >= 0),
    heard
  }
}

t.test('orders of an earlier version are carried out, and spare later connections', async t => {
  const bus = mqemitter()
  const node = await build(t, { hub: { bus } })
  const old = oldNode(t, bus)
  await until(() => node.hub.health().bus === 'up')
  const alice = await node.pair('/ws?subject=alice')
  const closed = once(alice.client, 'close')
  old.send('disconnect', { subject: 'alice', code: 4001, reason: 'out', age: 0 })
  t.equal((await closed)[0], 4001)
  const bob = await node.pair('/ws?subject=bob')
  old.send('disconnect', { subject: 'bob', code: 4001, reason: 'out', age: 60_000 })
  const carol = await node.pair('/ws?subject=carol')
  const end = once(carol.client, 'close')
  old.send('disconnect', { subject: 'carol', code: 4001, reason: 'out', age: 0 })
  await end
  t.equal(bob.socket.readyState, 1, 'it came later')
})

t.test('a node of an earlier version understands orders, and gets those that it has missed', async t => {
  const bus = mqemitter()
  const node = await build(t, { hub: { bus, busBeat: 20 } })
  await until(() => node.hub.health().bus === 'up')
  node.hub.disconnect('missed', { code: 4001, reason: 'out' })
  const old = oldNode(t, bus)
  node.hub.disconnect('alice')
  await until(() => old.orders().length === 1)
  t.match(old.orders(), [{ topic: 'airlock/disconnect', subject: 'alice', code: 4403, reason: 'disconnected', age: 0 }])
  old.send('return', { away: 60_000 })
  await until(() => old.orders().length === 3)
  t.match(old.orders()[1], { topic: 'airlock/node/old', subject: 'missed', code: 4001, reason: 'out' })
  t.ok(old.orders()[1]?.age as number > 0)
  old.send('return', { away: 0 })
  t.notOk(old.heard.some(({ topic, kind }) => topic === 'airlock/node/old' && kind !== undefined), 'nothing else is said to it')
})

t.test('when its bus is back, a node tells its orders of that time again, for earlier versions', async t => {
  const bus = mqemitter()
  let say: (state: 'lost' | 'back') => void = () => {}
  const node = await build(t, { hub: { bus: Object.assign(bus, { watch: (listener: typeof say) => { say = listener } }) } })
  const old = oldNode(t, bus)
  await until(() => node.hub.health().bus === 'up')
  say('lost')
  node.hub.disconnect('alice')
  t.equal(old.orders().length, 0)
  say('back')
  await until(() => old.orders().length === 1)
  await until(() => old.heard.some(({ topic, away }) => topic === 'airlock/return' && typeof away === 'number'))
})

t.test('a node of an earlier version is told nothing that it takes for an order, and is not waited for without end', async t => {
  const bus = mqemitter()
  const node = await build(t, { hub: { bus } })
  const old = oldNode(t, bus)
  await until(() => node.hub.health().bus === 'up')
  const changes: string[] = []
  node.hub.onNodes(({ id, state }) => { changes.push(`${id} ${state}`) })
  const beat = { kind: 'beat', time: performance.now(), every: 60_000, have: '[]' }
  old.send('beat', beat)
  await until(() => changes.length > 0)
  node.hub.on('chat', () => {})
  for (const to of ['all', 'others', 'old']) for (const guaranteed of [false, true]) node.hub.tell('chat', { subject: 'alice', code: 4001, reason: '', age: 0 }, { to, guaranteed })
  t.strictSame((await node.hub.nodes({ timeout: 50 })).map(({ own }) => own), [true])
  t.equal(await node.hub.countAll(undefined, { timeout: 50 }), 0)
  t.strictSame(old.orders(), [])
  const guaranteed = old.heard.filter(({ order }) => order !== undefined).map(({ order }) => JSON.parse(String(order)))
  t.strictSame(guaranteed.map(({ kind, name }) => [kind, name]), [['relay', 'airlock:tell'], ['relay', 'airlock:tell'], ['relay', 'airlock:tell']], 'orders that the version before carries out without a listener')
  const waiting = node.hub.nodes()
  old.send('beat', { kind: 'beat', gone: true })
  t.equal((await waiting).length, 1, 'one that says goodbye is not waited for')
  t.strictSame(changes, ['old here', 'old gone'])
})

t.test('a node of a later version may say more', async t => {
  const bus = mqemitter()
  const node = await build(t, { hub: { bus } })
  const later = oldNode(t, bus)
  await until(() => node.hub.health().bus === 'up')
  const heard: unknown[] = []
  node.hub.on('chat', data => { heard.push(data) })
  await node.hub.busReady()
  const { invalid } = node.hub.stats.bus
  later.send('tell/chat', { payload: Buffer.from('1'), to: 'all', version: 2 })
  later.send(`node/${node.hub.node}`, { kind: 'tell', name: 'chat', payload: Buffer.from('2'), version: 2 })
  later.send(`node/${node.hub.node}`, { kind: 'question', id: 1, version: 2 })
  await until(() => later.heard.some(({ kind, id }) => kind === 'answer' && id === 1))
  t.strictSame(heard, [1, 2])
  t.equal(node.hub.stats.bus.invalid, invalid)
  later.send(`node/${node.hub.node}`, { kind: 'of tomorrow', id: 1 })
  await until(() => node.hub.stats.bus.invalid === invalid + 1)
})

t.test('a node of a later version may give orders of other kinds', async t => {
  const bus = mqemitter()
  const node = await build(t, { hub: { bus } })
  const later = oldNode(t, bus)
  await until(() => node.hub.health().bus === 'up')
  later.send('disconnect', { number: 1, age: 0, time: performance.now(), order: '{"kind":"of tomorrow"}' })
  await until(() => node.hub.stats.bus.invalid === 1)
  const { client } = await node.pair('/ws?subject=alice')
  const closed = once(client, 'close')
  later.send('disconnect', { number: 2, age: 0, time: performance.now(), order: '{"kind":"disconnect","subject":"alice"}' })
  t.equal((await closed)[0], 4403)
})
