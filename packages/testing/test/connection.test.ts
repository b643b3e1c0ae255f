import t, { type Test } from 'tap'
import { setTimeout as sleep } from 'node:timers/promises'
import { testServer, TestBus, type TestServerOptions, until } from '../src/index.js'
import { Group } from '../src/group.js'
import { build } from './build.js'

async function serve (t: Test, options: TestServerOptions = {}) {
  const app = await build()
  const server = await testServer(app, { t, ...options })
  return { app, server }
}

t.test('next takes what is meant, and leaves the rest in its order', async t => {
  const { app, server } = await serve(t)
  const alice = await server.device('alice').open()
  for (const message of [{ n: 1 }, { n: 2, list: [{ a: 'x' }] }, 'text', { n: 3 }]) app.wsHub.broadcast(message)
  t.same(await alice.next({ n: 2, list: [{ a: /x/ }] }), { n: 2, list: [{ a: 'x' }] })
  t.equal(await alice.next('text'), 'text')
  t.same(await alice.next(message => message.n > 2), { n: 3 })
  t.same(alice.inbox, [{ n: 1 }])
  t.same(await alice.next(), { n: 1 })
  const waiting = [alice.next({ n: 5 }), alice.next({ n: 4 })]
  app.wsHub.broadcast({ n: 4 })
  app.wsHub.broadcast({ n: 6 })
  app.wsHub.broadcast({ n: 5 })
  t.same(await Promise.all(waiting), [{ n: 5 }, { n: 4 }])
  t.same(await alice.next(), { n: 6 })
})

t.test('a match that throws ends its own wait alone', async t => {
  const { app, server } = await serve(t)
  const alice = await server.device('alice').open()
  const broken = alice.next(message => { throw new Error(`broken at ${message}`) })
  const next = alice.next()
  broken.catch(() => {})
  app.wsHub.broadcast('one')
  await t.rejects(broken, { message: 'broken at one' })
  t.equal(await next, 'one')
})

t.test('what does not come says what has', async t => {
  const { app, server } = await serve(t)
  const alice = await server.device('alice').open()
  app.wsHub.broadcast({ n: 1 })
  await until(() => alice.inbox.length, 1)
  await t.rejects(alice.next({ n: 2 }, { timeout: 10 }), {
    code: 'WSA_TESTING_ERR_TIMEOUT', message: 'What alice waits for, {"n":2}, has not come within 10 ms. What has come: [{"n":1}]'
  })
  await t.rejects(alice.next(() => false, { timeout: 1 }), { message: /within 1 ms/ })
  await alice.next()
  await t.rejects(alice.next(undefined, { timeout: 1 }), { message: /any message/ })
})

t.test('whatever waits has a time of its own', async t => {
  const app = await build()
  app.get('/silent', { websocket: true }, () => {})
  app.get('/never', async () => await new Promise(() => {}))
  app.get('/late', { websocket: true, preValidation: async () => await new Promise(() => {}) }, () => {})
  const server = await testServer(app, { t })
  const device = server.device('alice')
  const alice = await device.open('/silent', { doors: 'none' })
  const short = { timeout: 10 }
  const error = { code: 'WSA_TESTING_ERR_TIMEOUT', message: /has not come within 10 ms/ }
  const token = await device.token()
  for (const [name, wait] of Object.entries({
    next: () => alice.next(undefined, short),
    'never, before': () => alice.never('a', { before: 'b', ...short }),
    ask: () => alice.ask('hello', undefined, short),
    subscribe: () => alice.subscribe('news', undefined, short),
    publish: () => alice.publish('news', 1, short),
    watch: () => alice.watch('news', short),
    refresh: () => alice.refresh(token, short),
    'the answer to auth': () => device.open('/silent', { doors: 'two', ...short }),
    nextOnAll: () => device.nextOnAll(undefined, short),
    open: () => device.open('/late', { doors: 'none', ...short }),
    request: () => device.request('/never', short),
    json: () => device.json('/never', short),
    until: () => until(() => false, undefined, short)
  })) await t.rejects(wait(), error, name)
})

t.test('what waits ends with the connection', async t => {
  const { app, server } = await serve(t)
  const alice = await server.device('alice').open()
  const next = alice.next()
  next.catch(() => {})
  app.wsHub.disconnect('alice')
  t.same(await alice.closed, { code: 4403, reason: 'disconnected' })
  await t.rejects(next, { code: 'WSA_TESTING_ERR_CLOSED', closeCode: 4403, reason: 'disconnected' })
  await t.rejects(alice.next(), { code: 'WSA_TESTING_ERR_CLOSED' })
  await t.rejects(alice.never(), { code: 'WSA_TESTING_ERR_CLOSED' }, 'that nothing comes proves nothing then')
})

t.test('never notices what is there, what is under way, and what others have said', async t => {
  const { app, server } = await serve(t)
  const [alice, bob] = [await server.device('alice').open(), await server.device('bob').open()]
  await alice.never()
  app.wsHub.broadcast('there')
  await bob.next()
  await t.rejects(alice.never(), { code: 'WSA_TESTING_ERR_UNEXPECTED', received: 'there', message: 'alice has got what it should not: "there"' })
  await alice.never({ other: true })
  await alice.next()
  bob.send('said')
  await t.rejects(alice.never({ from: 'bob' }), { code: 'WSA_TESTING_ERR_UNEXPECTED' })
  alice.inbox.length = 0
  app.wsHub.broadcast('under way')
  await t.rejects(alice.never(), { code: 'WSA_TESTING_ERR_UNEXPECTED' })
})

t.test('never waits for a message that comes after', async t => {
  const app = await build()
  app.wsRoute('/slow', socket => {
    socket.on('message', async () => {
      await sleep(5)
      socket.send('"late"')
      socket.send('"end"')
    })
  })
  const server = await testServer(app, { t })
  const alice = await server.device('alice').open('/slow')
  alice.send('go')
  await alice.never('other', { before: 'end' })
  t.same(alice.inbox, ['late'])
  alice.send('go')
  await t.rejects(alice.never('late', { before: 'end' }), { code: 'WSA_TESTING_ERR_UNEXPECTED' })
})

t.test('a connection that closes meanwhile holds up nobody', async t => {
  const { server } = await serve(t)
  const [alice, bob] = [await server.device('alice').open(), await server.device('bob').open()]
  bob.socket.close()
  await Promise.all([alice.never(), bob.roundTrip()])
  await bob.closed
})

t.test('a pong that does not come', async t => {
  const { server } = await serve(t, { transport: 'port' })
  const relay = await server.relay()
  const alice = await server.device('alice', { relay }).open()
  const bob = await server.device('bob').open()
  t.ok(alice.flows)
  relay.freeze()
  t.notOk(alice.flows)
  await bob.never()
  for (const wait of [
    () => alice.never(undefined, { timeout: 10 }), () => alice.roundTrip({ timeout: 10 }), () => alice.unsubscribe('a', { timeout: 10 }),
    () => alice.unwatch('a', { timeout: 10 }), () => alice.show(null, 'a', { timeout: 10 })
  ]) {
    await t.rejects(wait(), { code: 'WSA_TESTING_ERR_TIMEOUT', message: /^A pong for alice has not come within 10 ms/ })
  }
  relay.thaw()
  relay.cut()
  t.match(await alice.closed, { code: 1006 })
})

t.test('a refresh, and topics', async t => {
  const { default: wsTopics } = await import('@fastify-airlock/topics')
  const app = await build({ hub: { authorizeTopic: (_identity, topic) => topic !== 'secret' } })
  await app.register(wsTopics, { topics: { news: { history: { size: 10, ttl: 60_000 } } } })
  const server = await testServer(app, { t })
  const device = server.device('alice')
  const alice = await device.open('/ws', { auth: { topics: true } })
  t.match(alice.welcome, { type: 'auth_ok', topics: { max: Number } })
  t.match(await alice.refresh(await device.sign()), { type: 'refresh_ok' })
  const { position } = await alice.subscribe('news')
  t.match(await alice.subscribe('secret'), { type: 'topic:refused', code: 'forbidden' })
  await app.wsTopics.publish('news', 'first')
  t.match(await alice.next(), { type: 'topic:message', data: 'first' })
  t.match(await alice.subscribe('news', position), { recovered: true, messages: [{ data: 'first' }] })
  await alice.never()
})

t.test('publishing by hand', async t => {
  const { default: wsTopics } = await import('@fastify-airlock/topics')
  const app = await build({ hub: { authorizeTopic: () => true } })
  await app.register(wsTopics, { topics: { news: { history: { size: 10, ttl: 60_000 } } }, authorizePublish: (_identity, topic) => topic === 'news' })
  const server = await testServer(app, { t })
  const [alice, bob] = [await server.device('alice').open('/ws', { auth: { topics: true } }), await server.device('bob').open('/ws', { auth: { topics: true } })]
  await bob.subscribe('news')
  t.match(await alice.publish('news', { n: 1 }, { id: 'one' }), { type: 'topic:published', id: 'one', position: { offset: Number } })
  t.match(await alice.publish('news', { n: 2 }), { type: 'topic:published', id: /./ })
  t.match(await alice.publish('secret', 1), { type: 'topic:refused', code: 'forbidden' })
  t.match(await bob.next({ type: 'topic:message' }), { data: { n: 1 } })
  t.match(await bob.next({ type: 'topic:message' }), { data: { n: 2 } })
  await bob.unsubscribe('news')
  await alice.publish('news', { n: 3 })
  await bob.never()
})

t.test('who is there, by hand', async t => {
  const app = await build({ hub: { authorizeTopic: (_identity, topic) => topic === 'room' }, presence: { topics: ['room', 'secret'], grace: 0 } })
  app.wsRoute('/room', { hub: { topics: ['room'] } }, () => {})
  const server = await testServer(app, { t })
  const [alice, bob] = [await server.device('alice').open('/room', { auth: { presence: true } }), await server.device('bob').open('/room', { auth: { presence: true } })]
  t.match(await alice.watch('room'), { type: 'presence:list', total: 2 })
  t.match(await alice.watch('secret'), { type: 'presence:refused', code: 'forbidden' })
  await bob.show({ typing: true }, 'room')
  t.match(await alice.next({ type: 'presence:change', topic: 'room' }), { here: [{ subject: 'bob', state: { typing: true } }] })
  await alice.unwatch('room')
  await bob.close()
  await until(() => app.wsPresence.of('room').length, 1)
  await alice.never({ topic: 'room' })
  t.match(await alice.watch(), { type: /^presence:(list|refused)$/, topic: '' })
})

t.test('it ends with its block', async t => {
  const { app, server } = await serve(t)
  const device = server.device('alice')
  const alice = await device.open()
  await alice[Symbol.asyncDispose]()
  t.notOk(alice.isOpen)
  const [one, two] = [await device.open(), await device.open()]
  app.wsHub.broadcast('all')
  t.same(await device.nextOnAll(), ['all', 'all'])
  await device[Symbol.asyncDispose]()
  t.same([one.isOpen, two.isOpen], [false, false])
  await server[Symbol.asyncDispose]()
})

t.test('a bus that the test has made itself', async t => {
  const bus = new TestBus()
  const app = await build({ hub: { bus: bus.connect() } })
  const server = await testServer(app, { t, bus })
  const alice = await server.device('alice').open()
  await alice.never()
})

t.test('a bus whose listener never ends holds nobody up for good', async t => {
  const bus = new TestBus()
  const link = bus.connect()
  link.on('x', () => {})
  link.emit({ topic: 'x' })
  const group = new Group()
  group.buses.add(bus)
  // Not a real connection: its round trip could take longer than the bus may.
  const connection = { isOpen: true, flows: true, roundTrip: async () => {} }
  await t.rejects(group.settle(connection, 10), { code: 'WSA_TESTING_ERR_TIMEOUT', message: /^What is on the bus has not come within 10 ms/ })
})
