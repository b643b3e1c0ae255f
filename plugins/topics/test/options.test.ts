import websocket from '@fastify/websocket'
import wsHub from '@fastify-airlock/hub'
import Fastify from 'fastify'
import t from 'tap'
import wsTopics, { MemoryTopicStore, type TopicStore } from '../src/index.js'

t.test('a wrong option is refused by name', async t => {
  const cases: Array<[options: object, name: RegExp]> = [
    [{ topcis: {} }, /did you mean `topics`/],
    [{ topics: [] }, /topics/], [{ topics: { '': {} } }, /topics/], [{ topics: { a: { histroy: false } } }, /history/], [{ topics: { a: { history: true } } }, /history/],
    [{ topics: { a: { history: { size: 1 } } } }, /ttl/], [{ topics: { a: { history: { size: 1.5, ttl: 1 } } } }, /size/],
    [{ topics: { constructor: {} } }, /constructor/], [{ topics: { a: {}, prototype: {} } }, /prototype/], [{ topics: JSON.parse('{"__proto__":{}}') }, /__proto__/],
    [{ topics: { a: { history: { size: 1, ttl: 1e12 } } } }, /ttl: Expected 316224000000 milliseconds/],
    [{ topics: { 'a/#/b': {} } }, /pattern/], [{ topics: { ['x'.repeat(257)]: {} } }, /pattern/],
    [{ store: {} }, /store/], [{ store: 'redis' }, /store/], [{ authorizePublish: true }, /authorizePublish/], [{ authorizeTimeout: 0 }, /authorizeTimeout/],
    [{ grants: true }, /grants/], [{ grants: '' }, /grants/], [{ maxTopics: 0 }, /maxTopics/], [{ maxTopics: Infinity }, /maxTopics/], [{ maxMessageBytes: '1' }, /maxMessageBytes/],
    [{ publishRate: 1 }, /publishRate/], [{ publishRate: { perSecond: 0, burst: 1 } }, /publishRate/], [{ subscribeRate: { perSecond: 1 } }, /subscribeRate/],
    [{ publishWindow: -1 }, /publishWindow/], [{ storeTimeout: 2 ** 31 }, /storeTimeout/], [{ gapTimeout: NaN }, /gapTimeout/], [{ headInterval: null }, /headInterval/]
  ]
  for (const [options, message] of cases) {
    const app = Fastify()
    t.teardown(() => app.close())
    await app.register(wsHub)
    await t.rejects(async () => { await app.register(wsTopics, options) }, { code: 'WSA_TOPICS_ERR_OPTION', message }, JSON.stringify(options).slice(0, 60))
  }
  for (const options of [{ maxBytes: 0 }, { maxIds: 1.5 }, { now: 1 }, { max: 1 }]) t.throws(() => new MemoryTopicStore(options as object), { code: 'WSA_TOPICS_ERR_OPTION' })
})

t.test('it needs a hub', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await t.rejects(async () => { await app.register(wsTopics) }, { code: 'WSA_TOPICS_ERR_NO_HUB' })
  app.decorate('wsHub', {} as never)
  await t.rejects(async () => { await app.register(wsTopics) }, { code: 'WSA_TOPICS_ERR_NO_HUB' }, 'ours')
})

t.test('the store is made ready, and closed with the server', async t => {
  const calls: string[] = []
  for (const fails of [false, true]) {
    const app = Fastify()
    await app.register(websocket)
    await app.register(wsHub)
    const store: TopicStore = Object.assign(new MemoryTopicStore(), { ready: () => { calls.push('ready'); if (fails) throw new Error('away') } })
    const { close } = store
    store.close = () => { calls.push('close'); return close.call(store) }
    await app.register(wsTopics, { store })
    await app.ready()
    await app.close()
    await t.rejects(app.wsTopics.publish('a', 1, { history: { size: 1, ttl: 1 } }), { code: 'WSA_TOPICS_ERR_UNAVAILABLE', cause: { code: 'WSA_TOPICS_ERR_STORE_CLOSED' } })
  }
  t.same(calls, ['ready', 'close', 'ready', 'close'])
})

t.test('a store that does not answer keeps no server from starting', async t => {
  const errors: string[] = []
  const app = Fastify({ logger: { level: 'error', stream: { write: (line: string) => { errors.push(JSON.parse(line).msg) } } } })
  t.teardown(() => app.close())
  await app.register(wsHub)
  await app.register(wsTopics, { store: Object.assign(new MemoryTopicStore(), { ready: () => new Promise<void>(() => {}) }), storeTimeout: 1 })
  await app.ready()
  t.same(errors, ['the store of topics is not ready'])
})

t.test('one hub has topics once', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(wsHub)
  await app.register(async scope => { await scope.register(wsTopics) })
  await t.rejects(async () => { await app.register(async scope => { await scope.register(wsTopics) }) }, { code: 'WSA_TOPICS_ERR_REGISTERED_TWICE' })
})
