import t from 'tap'
import { build, shown, until } from './helpers.js'

t.test('a client sees who is there, each once, and who comes and goes', async t => {
  const { connect, presence, heard } = await build(t, { presence: { grace: 0 } })
  const alice = await connect('alice', 'room')
  t.same(await alice.watch('room'), { type: 'presence:list', topic: 'room', total: 1, here: [{ subject: 'alice', connections: 1 }] })
  const bob = await connect('bob', 'room,other')
  t.same(await alice.of('presence:change'), { type: 'presence:change', topic: 'room', total: 2, here: [{ subject: 'bob', connections: 1 }] })
  const second = await connect('bob', 'room')
  await alice.sees('room', { alice: 1, bob: 2 })
  await second.close()
  await alice.sees('room', { alice: 1, bob: 1 })
  t.same(presence.of('room'), [{ subject: 'alice', connections: 1 }, { subject: 'bob', connections: 1 }])
  t.same(presence.of('other'), [{ subject: 'bob', connections: 1 }])
  t.same(presence.of('empty'), [])
  await bob.close()
  t.same(await alice.next(({ gone }) => gone), { type: 'presence:change', topic: 'room', total: 1, gone: ['bob'] })
  alice.send('hello')
  await alice.settle()
  t.same(heard, ['hello'], 'the rest is the application\'s')
})

t.test('everyone who is connected', async t => {
  const { connect, presence } = await build(t)
  const alice = await connect('alice')
  t.same((await alice.watch('')).here, [{ subject: 'alice', connections: 1 }])
  await connect('bob', 'room')
  await alice.sees('', { alice: 1, bob: 1 })
  t.same(presence.of().map(({ subject }) => subject), ['alice', 'bob'])
})

t.test('only what the options say is kept', async t => {
  const { connect, presence } = await build(t, { presence: { topics: ['room/+', 'all/#'], everyone: false } })
  const client = await connect('alice', 'room/1,room/1/2,all,all/1/2,inbox')
  for (const topic of ['room/1', 'all', 'all/1/2']) {
    t.equal((await client.watch(topic)).type, 'presence:list', topic)
    t.equal(presence.of(topic).length, 1, topic)
  }
  for (const topic of ['', 'inbox', 'room/1/2']) {
    t.match(await client.watch(topic), { type: 'presence:refused', topic, code: 'invalid' }, topic)
    for (const call of [() => presence.of(topic), () => presence.watch(topic, () => {}), () => presence.set({} as never, topic, 1)]) {
      t.throws(call, { code: 'WSA_PRESENCE_ERR_INVALID_TOPIC' }, topic)
    }
  }
  t.throws(() => presence.of('x'.repeat(257)), { code: 'WSA_PRESENCE_ERR_INVALID_TOPIC' })
  t.throws(() => presence.of(7 as never), { code: 'WSA_PRESENCE_ERR_INVALID_TOPIC' })
  t.equal(presence.stats.subjects, 3)
})

t.test('what is set is shown to others, the latest of a user\'s connections', async t => {
  const { connect, presence, sockets } = await build(t)
  const watcher = await connect('bob')
  await watcher.watch('room')
  const one = await connect('alice', 'room')
  one.send({ type: 'presence:set', topic: 'room', state: { typing: true } })
  await watcher.sees('room', { alice: [1, { typing: true }] })
  const other = await connect('alice', 'room')
  other.send({ type: 'presence:set', topic: 'room', state: 'away' })
  await watcher.sees('room', { alice: [2, 'away'] })
  one.send({ type: 'presence:set', topic: 'room', state: { typing: false } })
  await watcher.sees('room', { alice: [2, { typing: false }] })
  await one.close()
  await watcher.sees('room', { alice: [1, 'away'] })
  other.send({ type: 'presence:set', topic: 'room', state: null })
  await watcher.sees('room', { alice: 1 })
  presence.set(sockets[2] as never, 'room', { by: 'the server' })
  await watcher.sees('room', { alice: [1, { by: 'the server' }] })
  presence.set(sockets[2] as never, 'room', undefined)
  await watcher.sees('room', { alice: 1 })
})

t.test('a state that was set before the topic is joined is shown then, and again', async t => {
  const { connect, hub, sockets } = await build(t)
  const client = await connect('alice')
  client.send({ type: 'presence:set', topic: 'room', state: 1 })
  await client.watch('room')
  t.same(client.all, [{ type: 'presence:list', topic: 'room', total: 0 }])
  const [socket] = sockets as [never]
  for (const time of ['first', 'second']) {
    hub.join(socket, 'room')
    await client.sees('room', { alice: [1, 1] })
    hub.leave(socket, 'room')
    await client.sees('room', {})
    t.pass(time)
  }
})

t.test('leaving a topic is leaving, whatever the grace; patterns are no topics', async t => {
  const { connect, hub, sockets, presence } = await build(t, { presence: { grace: 3_600_000 } })
  const client = await connect('alice', 'room')
  await client.watch('room')
  const [socket] = sockets as [never]
  hub.join(socket, 'room/#', { wildcard: true })
  hub.leave(socket, 'room')
  await client.sees('room', {})
  t.same(presence.of('room'), [])
  hub.leave(socket, 'room/#', { wildcard: true })
  t.equal(presence.stats.subjects, 1, 'connected')
})

t.test('a client may stop watching', async t => {
  const { connect, presence } = await build(t)
  const client = await connect('alice')
  await client.watch('a')
  await client.watch('b')
  client.send({ type: 'presence:unwatch', topics: ['a', 'never'] })
  await client.settle()
  t.equal(presence.stats.watches, 1)
  await connect('bob', 'a')
  await connect('carol', 'b')
  await client.sees('b', { carol: 1 })
  t.same(client.all.filter(({ type, topic }) => type === 'presence:change' && topic === 'a'), [])
  t.equal((await client.watch('b')).total, 1, 'asked again, all of it comes again')
  t.equal(presence.stats.watches, 1)
  await client.close()
  await until(() => presence.stats.watches === 0)
})

t.test('the application listens', async t => {
  const { connect, presence, app } = await build(t, { presence: { grace: 0 } })
  const changes: unknown[] = []
  const errors: unknown[] = []
  app.log.error = ((details: { err: Error }) => { errors.push(details.err.message) }) as never
  presence.watch('room', () => { throw new Error('thrown') })
  presence.watch('room', () => Promise.reject(new Error('rejected')))
  const stop = presence.watch('room', change => { changes.push(change) })
  const client = await connect('alice', 'room')
  await until(() => changes.length === 1)
  await client.close()
  await until(() => changes.length === 2)
  t.same(changes, [
    { topic: 'room', here: [{ subject: 'alice', connections: 1 }], gone: [], total: 1 },
    { topic: 'room', here: [], gone: ['alice'], total: 0 }
  ])
  await until(() => errors.length === 4)
  t.same(errors.sort(), ['rejected', 'rejected', 'thrown', 'thrown'])
  stop()
  stop()
  await connect('bob', 'room')
  await until(() => errors.length === 6)
  t.equal(changes.length, 2)
})

t.test('set() says what is wrong', async t => {
  const { connect, presence, sockets, app } = await build(t, { presence: { maxTopics: 1, maxStateBytes: 10 } })
  const client = await connect('alice', 'room')
  const [socket] = sockets as [never]
  const circle: Record<string, unknown> = {}
  circle.self = circle
  for (const state of [circle, () => {}, Symbol('x'), 1n, { toJSON: () => undefined }, '123456789']) {
    t.throws(() => presence.set(socket, 'room', state), { code: 'WSA_PRESENCE_ERR_INVALID_STATE' }, typeof state)
  }
  presence.set(socket, 'room', '12345678')
  presence.set(socket, 'room', 'other')
  t.throws(() => presence.set(socket, 'b', 1), { code: 'WSA_PRESENCE_ERR_TOO_MANY_STATES' })
  presence.set(socket, 'room', null)
  presence.set(socket, 'b', 1)
  t.throws(() => presence.set({ readyState: 1, OPEN: 1 } as never, 'room', 1), { code: 'WSA_PRESENCE_ERR_UNKNOWN_SOCKET' })
  t.throws(() => presence.accept({ readyState: 1, OPEN: 1 } as never), { code: 'WSA_PRESENCE_ERR_UNKNOWN_SOCKET' })
  await client.close()
  await until(() => presence.of('room').length === 1 && app.wsHub.count() === 0)
  presence.set(socket, 'b', 1)
  presence.accept(socket)
})

t.test('nobody sees sessions, connections or addresses', async t => {
  const { connect, presence, sockets, hub } = await build(t)
  const id = hub.idOf((await connect('alice', 'room'), sockets[0] as never)) as string
  const watcher = await connect('bob')
  await watcher.watch('room')
  for (const text of [JSON.stringify(watcher.all), JSON.stringify(presence.of('room'))]) {
    t.notMatch(text, id)
    t.notMatch(text, /127\.0\.0\.1|session|sid/)
  }
  t.same(Object.keys(presence.of('room')[0] as object), ['subject', 'connections'])
})

t.test('a listener that ends another, or throws what cannot be logged, stops nothing', async t => {
  const lines: string[] = []
  const { connect, presence, app } = await build(t)
  // As pino does, which marks errors.
  app.log.error = ((details: { err?: { seen?: boolean } }, text: string) => {
    if (details.err !== undefined) details.err.seen = true
    lines.push(text)
  }) as never
  const heard: string[] = []
  presence.watch('room', () => { throw Object.freeze(new Error('frozen')) })
  presence.watch('room', () => { stop() })
  const stop = presence.watch('room', () => { heard.push('ended') })
  presence.watch('room', ({ total }) => { heard.push(`${total}`) })
  await connect('alice', 'room')
  await until(() => heard.includes('1'))
  t.same(heard, ['1'])
  t.match(lines, [/cannot be logged/])
})

t.test('a client that takes its time for a long list gets all of it', async t => {
  const { connect, presence, sockets, hub } = await build(t, { presence: { maxStateBytes: 65_536 }, hub: { maxBufferedBytes: 256 * 1024 } })
  await Promise.all(Array.from({ length: 100 }, (_, n) => connect(`user ${n}`, 'room')))
  // More than any kernel keeps on the way to one who does not read.
  for (const socket of sockets) presence.set(socket as never, 'room', 'x'.repeat(65_000))
  const slow = await connect('slow')
  slow.socket.pause()
  slow.send({ type: 'presence:watch', topics: ['room'] })
  await until(() => presence.stats.watches === 1)
  slow.socket.resume()
  await slow.next(({ more }) => more !== true)
  t.equal(Object.keys(shown(slow.all, 'room')).length, 100)
  t.equal(hub.stats.drops.slow, 0)
})
