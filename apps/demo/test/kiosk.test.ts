// Takes long: it starts the whole demo for each case.
import { MemoryTopicStore } from '@fastify-airlock/topics'
import { PostgresTopicStore } from '@fastify-airlock/topics/postgres'
import { RedisTopicStore } from '@fastify-airlock/topics/redis'
import t from 'tap'
import { topicStoreOf } from '../src/topic-store.js'
import { http, kiosk, listen, login, pass } from './helpers.js'

t.test('a kiosk that was away is reset when it is back, once', async t => {
  const { app, origin } = await listen(t)
  const [alice, admin] = [await login(origin, 'alice'), await login(origin, 'admin')]
  const reset = async () => (await http('POST', `${origin}/kiosk/reset`, { token: admin })).body
  const first = await kiosk(t, origin, alice)
  t.match(first.answer, { topic: 'kiosk/reset', recovered: undefined, position: { offset: 0 } })
  const before = Date.now()
  const { position, delivered } = await reset()
  t.equal(delivered, 1)
  const live = await first.next('topic:message')
  t.match(live, { topic: 'kiosk/reset', position, data: { type: 'reset' } })
  t.ok(live.data.at >= before && live.data.at <= Date.now(), 'it says when')

  first.socket.terminate()
  while (app.wsHub.count() > 0) await new Promise(resolve => setTimeout(resolve, 5))
  t.match(await reset(), { delivered: 0, position: { epoch: position.epoch, offset: 2 } })
  const second = await kiosk(t, origin, alice, position)
  t.match(second.answer, { recovered: true, position: { offset: 2 } })
  t.same(second.answer.messages.map(({ position }: any) => position.offset), [2], 'what it missed, and nothing that it had')
  const third = await kiosk(t, origin, alice, second.answer.position)
  t.match(third.answer, { recovered: true })
  t.notOk('messages' in third.answer, 'nothing twice')
  const stranger = await kiosk(t, origin, alice, { epoch: 'of another start', offset: 2 })
  t.match(stranger.answer, { recovered: false }, 'and it is told what nobody knows')
})

t.test('the topic of kiosks is the only one, and only the server publishes', async t => {
  const { origin } = await listen(t)
  const client = await kiosk(t, origin, await login(origin, 'admin'))
  for (const topic of ['kiosk', 'kiosk/#', '#', 'kiosk/reset/1']) {
    client.send({ type: 'topic:subscribe', topics: [{ topic }] })
    t.match(await client.next('topic:refused'), { topic, code: 'forbidden' })
  }
  client.send({ type: 'topic:publish', id: '1', topic: 'kiosk/reset', data: { type: 'reset', at: 0 } })
  t.match(await client.next('topic:refused'), { id: '1', code: 'forbidden' })
})

t.test('a client that asks for no topics gets a plain message', async t => {
  const { origin } = await listen(t)
  const client = await pass(t, origin, await login(origin, 'alice'), '/ws/kiosk')
  t.match((await http('POST', `${origin}/kiosk/reset`, { token: await login(origin, 'admin') })).body, { delivered: 1 })
  t.strictSame(await client.next('reset'), { type: 'reset' })
  t.notOk(client.pending.some(type => type.startsWith('topic:')))
})

t.test('without the store of topics, the answer says that nothing is kept', async t => {
  const { origin } = await listen(t, { REDIS_URL: 'redis://127.0.0.1:9', TICKET_STORE: 'memory', LOG_LEVEL: 'silent' })
  const admin = await login(origin, 'admin')
  const client = await pass(t, origin, admin, '/ws/kiosk')
  t.strictSame((await http('POST', `${origin}/kiosk/reset`, { token: admin })).body, { delivered: 1, position: null })
  await client.next('reset')
})

t.test('where topics are kept', async t => {
  const redis = 'redis://127.0.0.1:9'
  const nats = 'nats://127.0.0.1:9'
  const cases = [
    [{ ticketStore: 'memory', ticketStoreUrl: '', busUrl: undefined }, MemoryTopicStore],
    [{ ticketStore: 'mongodb', ticketStoreUrl: 'mongodb://127.0.0.1:9', busUrl: undefined }, MemoryTopicStore],
    [{ ticketStore: 'memory', ticketStoreUrl: '', busUrl: redis }, RedisTopicStore],
    [{ ticketStore: 'redis', ticketStoreUrl: redis, busUrl: nats }, RedisTopicStore],
    [{ ticketStore: 'postgres', ticketStoreUrl: 'postgres://127.0.0.1:9/demo', busUrl: redis }, PostgresTopicStore],
    [{ ticketStore: 'memory', ticketStoreUrl: '', busUrl: nats }, null],
    [{ ticketStore: 'mongodb', ticketStoreUrl: 'mongodb://127.0.0.1:9', busUrl: 'mongodb://127.0.0.1:9' }, null]
  ] as const
  for (const [config, expected] of cases) {
    const ends: Array<() => Promise<void>> = []
    const fastify = { addHook: (_: string, end: () => Promise<void>) => { ends.push(end) }, log: { warn () {}, info () {} } }
    const store = topicStoreOf(config, fastify as never)
    const what = JSON.stringify(config)
    if (expected === null) t.equal(store, null, what)
    else t.ok(store instanceof expected, what)
    t.equal(ends.length, expected === null || expected === MemoryTopicStore ? 0 : 1)
    for (const end of ends) await end()
  }
})
