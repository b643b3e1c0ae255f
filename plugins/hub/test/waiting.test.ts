import t, { type Test } from 'tap'
import mqemitter from 'mqemitter'
import type { WsHub, WsHubOptions } from '../src/index.js'
import { fakeSocket } from './fakes.js'
import { build, until } from './helpers.js'

const LONG = 600_000

/** A node whose bus has another node on it that never says what it did. */
async function withSilentNode (t: Test, options: WsHubOptions = {}) {
  const bus = mqemitter()
  const { on } = bus
  // Subscriptions to topics are never confirmed.
  bus.on = (topic, listener, done) => on.call(bus, topic, listener, topic.includes('/topic/') ? undefined : done)
  const { app, hub } = await build(t, { hub: { bus, ...options } })
  await until(() => hub.health().bus === 'up')
  const told: string[] = []
  bus.on('airlock/disconnect', (message, done) => {
    if (typeof message.order === 'string') told.push(JSON.parse(message.order).kind)
    done()
  })
  await new Promise<void>(resolve => bus.emit(
    { topic: 'airlock/beat', node: 'z', sequence: 1, kind: 'beat', time: 1_000, every: LONG, have: '[]' }, () => resolve()
  ))
  return { app, hub, told }
}

t.test('a time limit that no timer can keep is a mistake, and nothing is done', async t => {
  const { hub, told } = await withSilentNode(t)
  const { hub: alone } = await build(t)
  for (const node of [hub, alone]) {
    const { socket } = fakeSocket()
    node.add(socket, { subject: 'alice' })
    for (const timeout of [Infinity, -Infinity, NaN, null, 0, -1, 0.5, 2 ** 31, 2 ** 53, '5000', true, 5n, {}, [], new Date(0)]) {
      const options = { timeout } as { timeout: number }
      await t.rejects(node.disconnectAll('alice', options), { code: 'WSA_HUB_ERR_INVALID_TIMEOUT', message: /: timeout: Expected / }, String(timeout))
      await t.rejects(node.giveOrder('any', '', options), { code: 'WSA_HUB_ERR_INVALID_TIMEOUT' }, String(timeout))
    }
    await t.rejects(node.giveOrder('any', '', null as never), { code: 'WSA_HUB_ERR_INVALID_TIMEOUT' })
    t.equal(socket.readyState, socket.OPEN)
    socket.emit('close')
  }
  t.strictSame(told, [])
  for (const timeout of [1, 2 ** 31 - 1, undefined]) t.strictSame(await alone.disconnectAll('alice', { timeout } as object), { closed: 0, nodes: 1 })
  t.strictSame(await hub.disconnectAll('alice', { timeout: 1 }), { closed: 0, nodes: 1 })
})

t.test('when the server closes, whatever waits ends at once', async t => {
  /** What is waited for, what comes of it at the end, and what comes of it afterwards. */
  const waits: Record<string, [wait: (hub: WsHub, socket: never) => Promise<unknown>, during: unknown, after: unknown]> = {
    disconnectAll: [hub => hub.disconnectAll('bob', { timeout: LONG }), { closed: 0, nodes: 1 }, { closed: 0, nodes: 1 }],
    'giveOrder, another node': [hub => hub.giveOrder('nobody', '', { timeout: LONG }), { answers: [], nodes: 1 }, { answers: [], nodes: 1 }],
    'giveOrder, this node': [hub => hub.giveOrder('endless', '', { timeout: LONG }), { answers: [], nodes: 0 }, { answers: [], nodes: 0 }],
    reauthorize: [hub => hub.reauthorize({ subject: 'alice' }), { kept: 1, left: 0 }, { kept: 0, left: 0 }],
    requestJoin: [(hub, socket) => hub.requestJoin(socket, 'slow'), false, false],
    busReady: [hub => hub.busReady(), false, false]
  }
  let asked = 0
  const { app, hub, told } = await withSilentNode(t, {
    authorizeTimeout: LONG,
    authorizeTopic: (_identity, topic) => asked++ < 2 || topic === 'quick' ? true : new Promise(() => {})
  })
  hub.onOrder('endless', async () => await new Promise(() => {}))
  const { socket } = fakeSocket()
  hub.add(socket, { subject: 'alice' })
  for (const topic of ['quick', 'first']) t.equal(await hub.requestJoin(socket, topic), true)

  let ended = 0
  const pending = Object.values(waits).map(async ([wait]) => {
    const outcome = await wait(hub, socket as never)
    ended++
    return outcome
  })
  await new Promise(resolve => setImmediate(resolve))
  t.equal(ended, 0)
  const closed = app.close()
  t.strictSame(await Promise.all(pending), Object.values(waits).map(([, during]) => during), 'the connection is still there')
  t.ok(hub.health().draining)
  t.equal(hub.count(), 1)
  const before = told.length
  t.strictSame(await hub.disconnectAll('carol', { timeout: LONG }), { closed: 0, nodes: 1 })
  await until(() => told.length > before)
  t.equal(await hub.requestJoin(socket, 'another'), false, 'nothing is asked any more')
  socket.terminate()
  socket.emit('close')
  await closed
  for (const [name, [wait, , after]] of Object.entries(waits)) t.strictSame(await wait(hub, socket as never), after, name)
})
