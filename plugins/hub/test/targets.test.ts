import t, { type Test } from 'tap'
import { noteFinalCodes, recentOrdersOf } from '@fastify-airlock/core'
import { once } from 'node:events'
import Fastify from 'fastify'
import mqemitter from 'mqemitter'
import { ContractSocket } from '../src/contract/nodes.js'
import { Hub } from '../src/hub.js'
import { type DisconnectTarget, wsHub } from '../src/index.js'
import { parseHubOptions } from '../src/options.js'
import { type Order, readOrder, writeOrder } from '../src/order.js'
import { build, connect as openClient, until } from './helpers.js'

const log = { info () {}, warn () {}, error () {} } as never

/** Hubs on one bus that know each other. */
async function open (t: Test, count: number, options = {}): Promise<Hub[]> {
  const bus = mqemitter()
  const hubs: Hub[] = []
  for (let index = 0; index < count; index++) {
    const hub = new Hub(parseHubOptions({ bus, ...options }), log)
    t.teardown(() => hub.close())
    hubs.push(hub)
  }
  await until(() => hubs.every(hub => hub.health().bus === 'up'))
  return hubs
}

/** A socket with claims. */
function connect (hub: Hub, subject: string, claims?: object): ContractSocket {
  return new ContractSocket(hub, subject, claims)
}

t.test('whom an order means, here and on another node', async t => {
  const people: Record<string, [subject: string, claims?: object]> = {
    phone: ['alice', { sid: 's1', jti: 'j1', role: 'user', level: 1, beta: true, team: null }],
    laptop: ['alice', { sid: 's2', jti: 'j2', role: 'user', level: 2, beta: false }],
    old: ['alice', { role: 'admin' }],
    bare: ['alice'],
    bob: ['bob', { sid: 's3', jti: 'j3', role: 'admin', level: 1 }]
  }
  const cases: Array<[target: string | DisconnectTarget, closed: string]> = [
    ['alice', 'phone laptop old bare'],
    ['nobody', ''],
    [{ subject: 'alice' }, 'phone laptop old bare'],
    [{ subject: 'alice', session: 's1' }, 'phone old bare'],
    [{ subject: 'alice', session: 's3' }, 'old bare'],
    [{ session: 's1' }, 'phone'],
    [{ session: 's4' }, ''],
    [{ subject: 'alice', tokenId: 'j2' }, 'laptop old bare'],
    [{ tokenId: 'j3' }, 'bob'],
    [{ session: 's1', tokenId: 'j2' }, ''],
    [{ session: 's1', tokenId: 'j1' }, 'phone'],
    [{ where: { role: 'admin' } }, 'old bob'],
    [{ where: { role: 'admin', level: 1 } }, 'bob'],
    [{ subject: 'alice', where: { role: 'admin' } }, 'old'],
    [{ where: { beta: true } }, 'phone'],
    [{ where: { team: null } }, 'phone'],
    [{ where: { level: '1' } }, ''],
    [{ where: { toString: '' } }, ''],
    // Names that a copy may lose, and with them a condition.
    [{ where: { role: 'admin', constructor: 'x' } as never }, ''],
    [{ where: { role: 'admin', prototype: 'x' } }, ''],
    [{ where: JSON.parse('{"role":"admin","__proto__":"x"}') }, '']
  ]
  for (const [target, wanted] of cases) {
    const [a, b] = await open(t, 2) as [Hub, Hub]
    const sockets = [a, b].map(hub => Object.entries(people).map(([name, [subject, claims]]) => ({ name, socket: connect(hub, subject, claims) })))
    const closed = () => sockets.map(some => some.filter(({ socket }) => socket.closed !== null).map(({ name }) => name).join(' '))
    const { closed: count, nodes } = await a.disconnectAll(target, { code: 4001 })
    t.strictSame(closed(), [wanted, wanted], JSON.stringify(target))
    t.strictSame([count, nodes], [wanted === '' ? 0 : wanted.split(' ').length * 2, 2], 'the outcome')
  }
})

t.test('one connection, by its socket or its id, from any node', async t => {
  const [a, b] = await open(t, 2) as [Hub, Hub]
  const [first, second, third, fourth] = [connect(a, 'alice'), connect(a, 'alice'), connect(b, 'alice'), connect(b, 'alice')]
  const id = a.idOf(first.asWebSocket) as string
  t.type(id, 'string')
  t.equal(a.idOf(first.asWebSocket), id)
  t.not(a.idOf(second.asWebSocket), id)
  t.equal(b.idOf(first.asWebSocket), undefined)
  t.strictSame(await b.disconnectAll({ connection: id }), { closed: 1, nodes: 2 })
  t.ok(first.closed)
  t.equal(a.idOf(first.asWebSocket), undefined)
  t.equal(b.disconnect({ connection: third.asWebSocket, subject: 'bob' }), 0, 'of another user')
  t.equal(b.disconnect({ connection: third.asWebSocket, subject: 'alice', code: 4001, reason: 'here' }), 1)
  t.strictSame(third.closed, [4001, 'here'])
  t.equal(b.disconnect({ connection: third.asWebSocket }), 0, 'it is gone')
  t.strictSame([second.closed, fourth.closed], [null, null])
})

t.test('code and reason', async t => {
  const [hub] = await open(t, 1) as [Hub]
  for (const [target, options, wanted] of [
    ['a', undefined, [4403, 'disconnected']],
    [{ subject: 'a' }, undefined, [4403, 'disconnected']],
    [{ subject: 'a', code: 4001, reason: 'x' }, undefined, [4001, 'x']],
    [{ subject: 'a', code: 4001, reason: 'x' }, { code: 4002 }, [4002, 'x']],
    [{ subject: 'a' }, { reason: 'y' }, [4403, 'y']]
  ] as const) {
    const socket = connect(hub, 'a')
    t.equal(hub.disconnect(target, options), 1)
    t.strictSame(socket.closed, wanted)
  }
  for (const [options, wanted] of [[{}, [4410, 'disconnected']], [{ reason: 'y' }, [4410, 'y']], [{ code: 4403 }, [4403, 'disconnected']], [{ code: 4001 }, [4001, 'disconnected']]] as const) {
    const socket = connect(hub, 'a')
    noteFinalCodes(socket.asWebSocket, [4410])
    t.equal(hub.disconnect('a', options), 1)
    t.strictSame(socket.closed, wanted, 'a client that asks')
  }
  t.strictSame(await new Hub(parseHubOptions({}), log).disconnectAll('a'), { closed: 0, nodes: 1 }, 'without a bus')
})

t.test('a target that is not clear closes nothing', async t => {
  const [hub] = await open(t, 1) as [Hub]
  const socket = connect(hub, 'alice', { sid: 's' })
  const wrong: unknown[] = [
    undefined, null, {}, [], 7, { session: undefined }, { subject: 'alice', session: undefined }, { subject: 'alice', tokenId: undefined }, { subject: undefined, session: 's' },
    { subject: 'alice', connection: undefined }, { subject: 'alice', where: undefined }, { subject: 'alice', sesion: 's' }, { subject: 7 }, { session: '' }, { tokenId: null },
    { where: {} }, { where: { role: ['admin'] } }, { where: { level: Infinity } }, { where: { level: NaN } }, { where: null }, { where: ['admin'] },
    { where: Object.assign(Object.create({ tenant: 'a' }), { role: 'admin' }) }, { where: { role: 'admin', [Symbol('tenant')]: 'a' } }, { where: 'role' }, { connection: '' }, { connection: 7 }, { connection: null },
    { subject: 'alice', code: '4403' }, { subject: 'alice', reason: 7 }, { subject: 'x'.repeat(20_000) }
  ]
  for (const target of wrong) {
    t.throws(() => hub.disconnect(target as string), { code: 'WSA_HUB_ERR_INVALID_TARGET' }, JSON.stringify(target)?.slice(0, 50))
    await t.rejects(hub.disconnectAll(target as string), { code: 'WSA_HUB_ERR_INVALID_TARGET' })
  }
  t.throws(() => hub.disconnect({ subject: 'alice', code: 1006 }), { code: 'WSA_HUB_ERR_INVALID_CODE' })
  t.equal(socket.closed, null)
})

t.test('who comes later with that session or token is refused, on every node; the others are let in', async t => {
  const [a, b] = await open(t, 2) as [Hub, Hub]
  for (const [claim, target] of [['sid', { subject: 'alice', session: 'x' }], ['jti', { tokenId: 'x' }], ['sid', { session: 'x' }]] as const) {
    await a.disconnectAll({ ...target, code: 4001, reason: 'over' })
    for (const hub of [a, b]) {
      const later = connect(hub, 'alice', { [claim]: 'x' })
      t.strictSame(later.closed, [4001, 'over'])
      for (const claims of [{ [claim]: 'y' }, {}, undefined]) t.equal(connect(hub, 'alice', claims).closed, null, 'another login')
    }
  }
  t.ok(a.stats.refusals.disconnected > 0)
  await a.disconnectAll({ where: { role: 'admin' } })
  t.equal(connect(b, 'alice', { role: 'admin' }).closed, null, 'a condition is for the moment')
})

t.test('a connection that came before the order reached its node is closed, too, by its session', async t => {
  const order = { kind: 'disconnect', subject: 'alice', session: 'x', code: 4001, reason: 'over' }
  const bus = mqemitter()
  const hub = new Hub(parseHubOptions({ bus }), log)
  t.teardown(() => hub.close())
  const late = connect(hub, 'alice', { sid: 'x' })
  const later = connect(hub, 'alice', { sid: 'y' })
  const bare = connect(hub, 'alice')
  await until(() => hub.health().bus === 'up')
  bus.emit({ topic: 'airlock/disconnect', node: 'z', sequence: 1, number: 1, age: 60_000, time: 70_000, order: JSON.stringify(order) })
  await until(() => late.closed !== null)
  t.strictSame([later.closed, bare.closed], [null, null])
})

t.test('an upgrade that began before the order is refused when its hooks are through', async t => {
  let go: () => void = () => {}
  let waiting = 0
  const hooks = new Promise<void>(resolve => { go = resolve })
  const { hub, port } = await build(t, {
    routes (app) {
      app.get('/slow', { websocket: true, preValidation: async () => { waiting++; await hooks } }, socket => {
        app.wsHub.add(socket, { subject: 'alice' })
      })
    }
  })
  const client = openClient(t, port, '/slow')
  await until(() => waiting === 1)
  hub.disconnect('alice', { code: 4001, reason: 'out' })
  const closed = once(client, 'close')
  go()
  const [code, reason] = await closed
  t.strictSame([code, String(reason)], [4001, 'out'])
  await once(openClient(t, port, '/slow'), 'open')
  await until(() => hub.count() === 1)
})

t.test('a code that was not given is that of each client, on every node, and for who is on the way in', async t => {
  const [a, b] = await open(t, 2) as [Hub, Hub]
  const [plain, asking] = [connect(b, 'alice'), connect(b, 'alice')]
  noteFinalCodes(asking.asWebSocket, [4410])
  await a.disconnectAll('alice')
  t.strictSame([plain.closed, asking.closed], [[4403, 'disconnected'], [4410, 'disconnected']])
  await a.disconnectAll({ session: 'x' })
  for (const [final, code] of [[[], 4403], [[4410], 4410]] as const) {
    const closed: unknown[] = []
    const late = { readyState: 1, close: (...given: unknown[]) => closed.push(...given), terminate () {}, removeAllListeners () {} }
    noteFinalCodes(late, final)
    t.equal(b.add(late as never, { subject: 'alice', claims: { sid: 'x' } }), false)
    t.strictSame(closed, [code, 'disconnected'])
  }
})

t.test('orders are read and checked', async t => {
  const order: Order = { kind: 'disconnect', subject: 'alice', session: 's', tokenId: 'j', connection: 'c', where: { a: 1 }, code: 4001, reason: 'x' }
  t.strictSame(readOrder(writeOrder(order)), order)
  const plain: Order = { kind: 'disconnect', subject: 'alice', reason: 'x' }
  t.strictSame(readOrder(writeOrder(plain)), plain, 'without a code')
  t.strictSame(readOrder(JSON.stringify({ kind: 'disconnect', subject: 'a', code: 4001, reason: '', later: 1 })), { kind: 'disconnect', subject: 'a', code: 4001, reason: '' })
  for (const text of ['', '{', 'null', '1', '{}', '{"kind":"other","subject":"a"}', '{"kind":"disconnect"}', '{"kind":"disconnect","subject":"a","code":1006}', '{"kind":"relay","name":""}']) {
    t.equal(readOrder(text), null, text)
  }
})

t.test('orders about rights to topics are read and checked', async t => {
  const read = (order: object) => readOrder(JSON.stringify(order))
  const evict = { kind: 'evict', subject: 'alice', topic: 'news', wildcard: false }
  t.strictSame(read({ ...evict, later: 1 }), evict)
  for (const less of [{ subject: undefined }, { topic: undefined }]) {
    const { subject, topic } = { ...evict, ...less }
    const order = { kind: 'reauthorize', ...(subject && { subject }), ...(topic && { topic }), wildcard: false }
    t.strictSame(read(order), order)
    t.equal(read({ ...order, kind: 'evict' }), null, 'evict needs both')
  }
  t.equal(read({ kind: 'reauthorize', wildcard: false }), null)
  for (const wrong of [
    { kind: 'join' }, { subject: '' }, { subject: 7 }, { subject: null }, { topic: '' }, { topic: 7 }, { topic: 'a#', wildcard: true }, { wildcard: 1 }
  ]) {
    for (const kind of ['evict', 'reauthorize']) t.equal(read({ ...evict, kind, ...wrong }), null, JSON.stringify(wrong))
  }
})

t.test('a session of another name', async t => {
  const { app, hub } = await build(t, { hub: { sessionClaim: 'session_id' } })
  const [one, two] = [connect(hub as Hub, 'alice', { session_id: 's1', sid: 's2' }), connect(hub as Hub, 'alice', { session_id: 's2', sid: 's1' })]
  t.equal(hub.disconnect({ session: 's1' }), 1)
  t.strictSame([one.closed, two.closed], [[4403, 'disconnected'], null])
  t.equal(recentOrdersOf(app.server).sessionClaim, 'session_id')
  const other = Fastify()
  t.teardown(() => other.close())
  recentOrdersOf(other.server).nameSession('sid')
  await t.rejects(async () => { await other.register(wsHub, { sessionClaim: 'session_id' }) }, { code: 'WSA_HUB_ERR_OPTION', message: /told sid/ })
})
