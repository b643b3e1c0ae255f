import { hubPlacesOf, type Places } from '@fastify-airlock/core'
import t from 'tap'
import { once } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import { isSendableCode, isTopic } from '../src/checks.js'
import { bare, build, settle } from './helpers.js'

t.test('valid and invalid topics', async t => {
  const good = ['a', ' ', '/', 'a/b', 'kiosk/+/#', 'x'.repeat(256), 'é'.repeat(128), 'a/'.repeat(63) + 'b', '\ud800']
  for (const topic of good) t.ok(isTopic(topic), topic)
  const bad = ['', 'x'.repeat(257), 'é'.repeat(129), 'a/'.repeat(64) + 'b', undefined, null, 7, {}, ['a']]
  for (const topic of bad) t.notOk(isTopic(topic), String(topic))
})

t.test('valid and invalid patterns', async t => {
  for (const pattern of ['+', '#', 'a', 'a/+', '+/b', 'a/#', '+/+/#', '/+', 'a//#']) t.ok(isTopic(pattern, true), pattern)
  for (const pattern of ['a+', '+a', 'a/b#', '#/a', 'a/#/b', 'a/++', '##', '']) t.notOk(isTopic(pattern, true), pattern)
})

t.test('close codes that may be sent', async t => {
  for (const code of [1000, 1003, 1007, 1014, 3000, 4999]) t.ok(isSendableCode(code), String(code))
  for (const code of [999, 1004, 1006, 1015, 2999, 5000, 1000.5, '1000', null]) t.notOk(isSendableCode(code), String(code))
})

t.test('a client that sends too much is closed and no longer heard', async t => {
  const { hub, port, next } = await build(t, { hub: { messageRate: { perSecond: 1, burst: 5 } } })
  const peer = bare(t, port, '/ws?subject=alice')
  const socket = await next()
  let heard = 0
  socket.on('message', () => { heard++ })
  // Masked text frames "a" with a mask of zeros.
  peer.socket.write(Buffer.concat(Array.from({ length: 50 }, () => Buffer.from([0x81, 0x81, 0, 0, 0, 0, 0x61]))))
  await peer.closed(0x88, 19, 0x11, 0x4d, 'too many messages')
  t.equal(heard, 6, 'the last one heard is the one over the limit')
  t.equal(peer.frames().readUInt16BE(2), 4429)
  t.equal(peer.frames().subarray(4).toString(), 'too many messages')
  t.equal(hub.stats.closes.rate, 1)
})

t.test('an ordinary client stays open', async t => {
  const { hub, pair } = await build(t)
  const { client, socket } = await pair()
  let heard = 0
  socket.on('message', () => { heard++ })
  for (let number = 0; number < 200; number++) client.send('hello')
  await settle(client)
  t.equal(heard, 200)
  t.equal(hub.count(), 1)
})

t.test('messageRate: false sets no limit', async t => {
  const { hub, pair } = await build(t, { hub: { messageRate: false } })
  const { client, socket } = await pair()
  t.equal(socket.listenerCount('message'), 0)
  for (let number = 0; number < 1_000; number++) client.send('hello')
  await settle(client)
  t.equal(hub.count(), 1)
})

t.test('one connection too many on a node is refused', async t => {
  const { hub, pair } = await build(t, { hub: { maxConnections: 2 } })
  const first = await pair('/ws?subject=alice')
  await pair('/ws?subject=bob')
  const third = await pair('/stranger')
  let heard = false
  third.socket.on('message', () => { heard = true })
  const closed = once(third.client, 'close')
  third.client.send('hello')
  t.equal(hub.add(third.socket, { subject: 'carol' }), false)
  const [code, reason] = await closed
  t.equal(code, 1013)
  t.equal(reason.toString(), 'too many connections')
  t.notOk(heard)
  t.equal(hub.count(), 2)
  t.equal(hub.stats.refusals.node, 1)

  first.client.close()
  await once(first.socket, 'close')
  const fourth = await pair('/ws?subject=carol')
  await settle(fourth.client)
  t.equal(hub.count(), 2, 'there is room again')
})

t.test('one connection too many of a subject is refused', async t => {
  const { hub, pair } = await build(t, { hub: { maxConnectionsPerSubject: 2 } })
  const first = await pair()
  await pair()
  const third = await pair('/stranger')
  const closed = once(third.client, 'close')
  t.equal(hub.add(third.socket, { subject: 'alice' }), false)
  t.strictSame((await closed).map(String), ['4429', 'too many connections'])
  t.equal(hub.stats.refusals.subject, 1)
  await pair('/ws?subject=bob')
  t.equal(hub.count(), 3)

  // A closing connection does not count.
  first.socket.close()
  const fourth = await pair('/stranger')
  t.ok(hub.add(fourth.socket, { subject: 'alice' }))
})

t.test('one connection too many of a subject replaces the oldest', async t => {
  const { hub, pair } = await build(t, { hub: { maxConnectionsPerSubject: 2, onSubjectLimit: 'replace' } })
  const first = await pair()
  const second = await pair()
  const closed = [first, second].map(({ client }) => once(client, 'close'))
  const third = await pair()
  const fourth = await pair()
  for (const close of await Promise.all(closed)) t.strictSame(close.map(String), ['4409', 'replaced'])
  while (hub.count() > 2) await new Promise(resolve => setImmediate(resolve))
  const connections = hub.connectionsOf('alice')
  t.ok(connections.has(third.socket) && connections.has(fourth.socket))
  t.equal(hub.stats.closes.replaced, 2)
  t.equal(hub.stats.connections, 2)
})

t.test('onRate: pause reads a client that sends too much no faster than it may', async t => {
  const { hub, pair } = await build(t, { hub: { messageRate: { perSecond: 200, burst: 10 }, onRate: 'pause' } })
  const { client, socket } = await pair()
  const seen: number[] = []
  const started = performance.now()
  const all = new Promise<void>(resolve => {
    socket.on('message', data => { if (seen.push(Number(data)) === 60) resolve() })
  })
  client.send(0)
  while (seen.length === 0) await turn()
  for (let number = 1; number < 60; number++) {
    client.send(number)
    // Each in a chunk of its own: what one read brings passes at once.
    await turn()
  }
  await all
  t.ok(performance.now() - started >= 45 / 200 * 1_000, `${performance.now() - started} ms`)
  t.same(seen, Array.from({ length: 60 }, (_, n) => n), 'in order, and nothing is lost')
  t.equal(hub.count(), 1)
  t.equal(hub.stats.closes.rate, 0)
  while (socket.isPaused) await new Promise(resolve => setTimeout(resolve, 5))
  const closed = once(socket, 'close')
  client.close()
  await closed
})

t.test('a paused connection is read again for its close', async t => {
  for (const end of ['disconnect', 'drain', 'terminate'] as const) {
    const { hub, pair } = await build(t, { hub: { messageRate: { perSecond: 0.001, burst: 1 }, onRate: 'pause' } })
    const { client, socket } = await pair()
    let heard = 0
    socket.on('message', () => { heard++ })
    client.send('a')
    while (!socket.isPaused) await turn()
    socket.resume()
    client.send('b')
    await new Promise<void>(resolve => { socket.once('message', () => { resolve() }) })
    while (!socket.isPaused) await turn()
    const closed = once(client, 'close')
    if (end === 'disconnect') hub.disconnect(hub.subjects()[0] as string)
    else if (end === 'drain') await hub.drain()
    else socket.terminate()
    t.equal((await closed)[0], { disconnect: 4403, drain: 1012, terminate: 1006 }[end], 'the close frame was answered')
    while (hub.count() > 0) await turn()
    t.equal(heard, 2)
  }
})

t.test('tells its limit', async t => {
  for (const messageRate of [{ perSecond: 7, burst: 9 }, false] as const) {
    const { hub } = await build(t, { hub: { messageRate } })
    t.same(hub.messageRate, messageRate)
  }
  t.same((await build(t)).hub.messageRate, { perSecond: 100, burst: 200 })
})

t.test('upgrades can take places before their 101, which count until the hub has the connection', async t => {
  const { app, hub, pair } = await build(t, { hub: { maxConnections: 2 } })
  const places = hubPlacesOf(app) as Places
  const [upgrade, another] = [{}, {}]
  t.equal(places.take(upgrade), true)
  const { socket } = await pair()
  t.equal(hub.count(), 1)
  t.equal(places.take(another), false)
  t.equal(hub.stats.refusals.node, 1)
  places.giveBack(upgrade)
  t.equal(places.take(another), true)
  // It has become a socket of the hub.
  const client = await pair('/stranger')
  places.pass(another, client.socket)
  t.equal(places.isFull, true)
  t.equal(hub.add(client.socket, { subject: 'bob' }), true)
  t.equal(places.taken, 0)
  t.equal(hub.count(), 2)
  t.equal(places.isFull, true)
  socket.close()
  t.equal(places.isFull, false, 'who is closing holds no place')
})

t.test('without a limit there are no places', async t => {
  const { app } = await build(t)
  t.equal(hubPlacesOf(app), null)
})
