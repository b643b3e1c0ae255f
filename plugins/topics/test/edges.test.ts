import t from 'tap'
import { MemoryTopicStore, type TopicPosition } from '../src/index.js'
import type { Topics } from '../src/topics.js'
import { build, HISTORY, until } from './helpers.js'

const KEPT = { topics: { 'kept/+': { history: HISTORY } } }

t.test('a subscription that ends while the store is asked', async t => {
  const answers: Array<{ resolve: (position: TopicPosition) => void, reject: (error: Error) => void }> = []
  const store = Object.assign(new MemoryTopicStore(), { open: () => new Promise<TopicPosition>((resolve, reject) => { answers.push({ resolve, reject }) }) })
  const { connect, topics } = await build(t, { topics: { ...KEPT, store, storeTimeout: 60_000 } })
  const client = await connect()
  for (const [index, topic] of ['kept/a', 'kept/b'].entries()) {
    client.send({ type: 'topic:subscribe', topics: [{ topic }] })
    await until(() => answers.length === index + 1)
    client.send({ type: 'topic:unsubscribe', topics: [topic] })
    await client.settle()
    if (index === 0) answers[index]?.resolve({ epoch: 'e', offset: 0 })
    else answers[index]?.reject(new Error('away'))
    await client.settle()
    t.same(client.all, [])
  }
  t.equal(topics.stats.subscriptions, 0)
})

t.test('a client that comes back to what is not kept any more is told', async t => {
  const { connect, topics } = await build(t)
  const client = await connect()
  t.same(await client.subscribe('plain', { epoch: 'e', offset: 1 }), { type: 'topic:subscribed', topic: 'plain', recovered: false })
  t.same(topics.stats.resumed, { recovered: 0, gap: 1 })
})

t.test('a topic of which the options say nothing, with the store away', async t => {
  const store = Object.assign(new MemoryTopicStore(), { read: () => { throw new Error('away') } })
  const { connect } = await build(t, { topics: { store } })
  const client = await connect()
  t.same(await client.subscribe('plain'), { type: 'topic:subscribed', topic: 'plain' })
  t.match(await client.subscribe('other', { epoch: 'e', offset: 1 }), { code: 'unavailable' })
})

t.test('what is remembered of topics is bounded', async t => {
  const { topics } = await build(t, { topics: { topics: { 'x/#': { history: HISTORY } } } })
  for (let n = 0; n <= 10_000; n++) await topics.publish(`y/${n}`, 1)
  t.match(await topics.publish('x/1', 1), { position: { offset: 1 } })
})

t.test('heads are compared once at a time, by the timer as well', async t => {
  let asked = 0
  const store = Object.assign(new MemoryTopicStore(), { local: false })
  const { heads } = store
  const { topics, connect } = await build(t, {
    topics: { ...KEPT, store: Object.assign(store, { heads: async (topics: string[]) => { asked++; return heads.call(store, topics) } }), headInterval: 5 }
  })
  const client = await connect()
  await client.subscribe('kept/a')
  await until(() => asked > 1)
  const inside = topics as unknown as Topics
  await Promise.all([inside.compareHeads(), inside.compareHeads()])
  // Another node without a bus has published.
  store.append('kept/a', '1', HISTORY)
  t.match(await client.of('topic:message'), { data: 1 })
  Object.assign(store, { heads: () => { throw new Error('away') } })
  await inside.compareHeads()
  inside.close()
})

t.test('when the bus is back, one look at the heads tells which topics have to be read', async t => {
  const names = Array.from({ length: 50 }, (_, n) => `kept/${n}`)
  const store = new MemoryTopicStore()
  const { read, heads } = store
  let calls = { read: 0, heads: 0 }
  let isAway = false
  const { topics, connect } = await build(t, {
    topics: {
      ...KEPT,
      gapTimeout: 1,
      store: Object.assign(store, {
        read: (...given: Parameters<typeof read>) => { calls.read++; return read.apply(store, given) },
        heads: async (topics: string[]) => { calls.heads++; if (isAway) throw new Error('away'); return heads.call(store, topics) }
      })
    }
  })
  const client = await connect()
  for (const name of names) await client.subscribe(name)
  await client.subscribe('plain')
  const inside = topics as unknown as Topics
  inside.bus('down')
  // Another node has published what this one has not heard.
  store.append('kept/7', '"missed"', HISTORY)
  calls = { read: 0, heads: 0 }
  inside.bus('up')
  t.match(await client.of('topic:message'), { topic: 'kept/7', data: 'missed' })
  t.same(calls, { read: 1, heads: 1 })
  isAway = true
  store.append('kept/8', '"missed"', HISTORY)
  inside.bus('up')
  t.match(await client.of('topic:message'), { topic: 'kept/8', data: 'missed' }, 'each of them, where that cannot be said')
  await until(() => calls.read === 51)
})

t.test('a topic that is kept by the word of a publication alone is looked after as well', async t => {
  const store = Object.assign(new MemoryTopicStore(), { local: false })
  const { topics, connect } = await build(t, { topics: { topics: { 'plain/+': {} }, store, headInterval: 2 ** 31 - 1 } })
  const client = await connect()
  await client.subscribe('plain/a')
  await topics.publish('plain/a', 1, { history: HISTORY })
  // Another node has published, and the bus has lost it.
  store.append('plain/a', '2', HISTORY)
  await (topics as unknown as Topics).compareHeads()
  for (const n of [1, 2]) t.match(await client.of('topic:message'), { data: n, position: { offset: n } })
})
