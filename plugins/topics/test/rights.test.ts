import t from 'tap'
import { announceIdentityChange } from '@fastify-airlock/core'
import { build, HISTORY, until } from './helpers.js'

const KEPT = { topics: { '#': { history: HISTORY } } }

t.test('authorizeTopic is asked at each subscription and each resumption, and a no shows nothing old', async t => {
  let allowed = true
  const asked: string[] = []
  const { connect, topics } = await build(t, {
    topics: KEPT,
    hub: { authorizeTopic: ({ subject }, topic) => { asked.push(`${subject} ${topic}`); return allowed } }
  })
  const one = await connect()
  const { position } = await one.subscribe('news')
  t.match(await one.subscribe('news', position), { recovered: true })
  await one.close()
  await topics.publish('news', 'old')
  allowed = false
  const two = await connect()
  t.same(await two.subscribe('news', position), { type: 'topic:refused', topic: 'news', code: 'forbidden' })
  await topics.publish('news', 'new')
  await two.settle()
  t.equal(two.all.length, 1, 'nothing else')
  t.same(asked, ['alice news', 'alice news', 'alice news'])
})

t.test('a narrower right gets only what is allowed now', async t => {
  const { connect, topics } = await build(t, {
    topics: KEPT,
    hub: { authorizeTopic: ({ claims }, topic) => (claims?.topics as string[]).includes(topic) }
  })
  const one = await connect({ claims: '{"topics":["a","b"]}' })
  const [a, b] = [await one.subscribe('a'), await one.subscribe('b')]
  await one.close()
  for (const topic of ['a', 'b']) await topics.publish(topic, `old ${topic}`)
  const two = await connect({ claims: '{"topics":["b"]}' })
  two.send({ type: 'topic:subscribe', topics: [{ topic: 'a', since: a.position }, { topic: 'b', since: b.position }] })
  const answers = [await two.next(), await two.next()]
  t.same(answers.map(({ type, topic, messages }) => [type, topic, messages?.[0].data]), [['topic:refused', 'a', undefined], ['topic:subscribed', 'b', 'old b']])
})

t.test('a no to one that has the topic ends it', async t => {
  let allowed = true
  const { connect, topics, app } = await build(t, { topics: KEPT, hub: { authorizeTopic: () => allowed } })
  const client = await connect()
  await client.subscribe('news')
  allowed = false
  t.match(await client.subscribe('news'), { type: 'topic:refused', code: 'forbidden' })
  await topics.publish('news', 1)
  await client.settle()
  t.equal(client.all.length, 2)
  t.same(app.wsHub.topics(), [])
})

t.test('an error, or no answer, is told as one that may be tried again', async t => {
  const errors: Record<string, () => boolean | Promise<boolean>> = {
    throws: () => { throw Object.assign(new Error('away'), { statusCode: 503 }) },
    rejects: async () => { throw new Error('away') },
    never: () => new Promise(() => {})
  }
  const { connect } = await build(t, { hub: { authorizeTimeout: 50, authorizeTopic: (_, topic) => errors[topic]?.() ?? true } })
  const client = await connect()
  for (const topic of Object.keys(errors)) t.same(await client.subscribe(topic), { type: 'topic:refused', topic, code: 'unavailable' })
})

t.test('who is evicted is told, keeps the connection, and gets nothing more', async t => {
  const { connect, topics, app } = await build(t, { topics: KEPT })
  const [alice, bob] = [await connect(), await connect({ subject: 'bob' })]
  for (const client of [alice, bob]) for (const topic of ['a/1', 'a/2', 'b']) await client.subscribe(topic)
  app.wsHub.evict({ subject: 'alice', topic: 'a/#', wildcard: true })
  t.same([await alice.of('topic:left'), await alice.of('topic:left')].map(({ topic, reason }) => [topic, reason]).sort(), [['a/1', 'evicted'], ['a/2', 'evicted']])
  for (const topic of ['a/1', 'b']) await topics.publish(topic, 1)
  t.match(await alice.of('topic:message'), { topic: 'b' })
  t.match(await bob.of('topic:message'), { topic: 'a/1' })
})

t.test('reauthorize, a refresh and a lease ask again; what comes meanwhile waits for the answer', async t => {
  const waiting: Array<(yes: boolean) => void> = []
  let late = false
  const { connect, topics, app, identities } = await build(t, {
    topics: KEPT,
    hub: { authorizeTopic: () => late ? new Promise<boolean>(resolve => { waiting.push(resolve) }) : true }
  })
  const client = await connect()
  const { position } = await client.subscribe('news')
  late = true
  const done = app.wsHub.reauthorize({ topic: 'news' })
  await until(() => waiting.length === 1)
  await topics.publish('news', 1)
  await client.settle()
  t.equal(client.all.length, 1, 'it waits')
  waiting[0]?.(true)
  t.same(await done, { kept: 1, left: 0 })
  t.match(await client.of('topic:message'), { data: 1 })
  announceIdentityChange(identities[0] as object)
  await until(() => waiting.length === 2)
  await topics.publish('news', 2)
  // A resumption under way as well.
  client.send({ type: 'topic:subscribe', topics: [{ topic: 'news', since: position }] })
  await until(() => waiting.length === 3)
  waiting[2]?.(true)
  await client.settle()
  t.equal(client.all.length, 2, 'its catch-up waits for the first answer')
  waiting[1]?.(false)
  t.same(await client.next(), { type: 'topic:left', topic: 'news', reason: 'unauthorized' })
  await topics.publish('news', 3)
  await client.settle()
  t.equal(client.all.length, 3, 'and is dropped with it')
})

t.test('the end of a token, and an application that ends it', async t => {
  let asked = 0
  // Yes for both topics and for the token that follows, and no at its end, whenever a busy machine comes to that.
  const { connect, app, sockets, identities } = await build(t, { hub: { authorizeTopic: () => ++asked < 4 } })
  const client = await connect()
  for (const topic of ['a', 'b']) await client.subscribe(topic)
  app.wsHub.leave(sockets[0] as never, 'b')
  t.same(await client.next(), { type: 'topic:left', topic: 'b', reason: 'left' })
  announceIdentityChange(Object.assign(identities[0] as object, { expiresAt: Date.now() + 200 }))
  t.same(await client.next(), { type: 'topic:left', topic: 'a', reason: 'expired' })
  let allowed = true
  const failing = await build(t, { hub: { authorizeTopic: () => { if (!allowed) throw new Error('away'); return true } } })
  const other = await failing.connect()
  await other.subscribe('a')
  allowed = false
  await failing.app.wsHub.reauthorize({ subject: 'alice' })
  t.same(await other.of('topic:left'), { type: 'topic:left', topic: 'a', reason: 'unavailable' })
})

t.test('what the application has joined stays joined', async t => {
  const { connect, app, sockets, heard } = await build(t)
  const client = await connect()
  app.wsHub.join(sockets[0] as never, 'news')
  app.wsHub.join(sockets[0] as never, 'only')
  t.match(await client.subscribe('news'), { type: 'topic:subscribed' })
  client.send({ type: 'topic:unsubscribe', topics: ['news'] })
  await client.settle()
  t.same(app.wsHub.topicsOf(sockets[0] as never), ['news', 'only'])
  app.wsHub.publish('news', { from: 'hub' })
  t.same(await client.next(), { from: 'hub' })
  await app.wsTopics.publish('only', 1)
  await client.settle()
  t.equal(client.all.length, 2, 'joining is not subscribing')
  app.wsHub.leave(sockets[0] as never, 'only')
  await client.settle()
  t.equal(client.all.length, 2, 'and leaving is told to nobody')
  t.same(heard, [])
})
