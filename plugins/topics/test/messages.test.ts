import t from 'tap'
import { once } from 'node:events'
import { build, type Client, HISTORY } from './helpers.js'

const KEPT = { topics: { 'kept/+': { history: HISTORY } } }

t.test('what cannot be read is refused where an answer can say what it is about, and closes otherwise', async t => {
  const { connect, heard } = await build(t, { topics: { authorizePublish: () => true } })
  const long = 'x'.repeat(257)
  const refused: Array<[message: unknown, answer: object]> = [
    [{ type: 'topic:subscribe', topic: 'a' }, { topic: 'a' }],
    [{ type: 'topic:subscribe', topics: [], id: 'i' }, { id: 'i' }],
    [{ type: 'topic:subscribe', topics: 'a', topic: 'a' }, { topic: 'a' }],
    [{ type: 'topic:subscribe', topics: ['a'] }, { topic: 'a' }],
    [{ type: 'topic:subscribe', topics: [{ topic: '' }] }, { topic: '' }],
    [{ type: 'topic:subscribe', topics: [{ topic: long }] }, { topic: long.slice(0, 256) }],
    [{ type: 'topic:subscribe', topics: [{ topic: 'a', since: null }] }, { topic: 'a' }],
    [{ type: 'topic:subscribe', topics: [{ topic: 'a', since: {} }] }, { topic: 'a' }],
    [{ type: 'topic:subscribe', topics: [{ topic: 'a', since: { epoch: '', offset: 1 } }] }, { topic: 'a' }],
    [{ type: 'topic:subscribe', topics: [{ topic: 'a', since: { epoch: 'x'.repeat(65), offset: 1 } }] }, { topic: 'a' }],
    [{ type: 'topic:subscribe', topics: [{ topic: 'a', since: { epoch: 'e', offset: -1 } }] }, { topic: 'a' }],
    [{ type: 'topic:subscribe', topics: [{ topic: 'a', since: { epoch: 'e', offset: 1.5 } }] }, { topic: 'a' }],
    [{ type: 'topic:subscribe', topics: [{ topic: 'a', since: { epoch: 'e', offset: '1' } }] }, { topic: 'a' }],
    [{ type: 'topic:unsubscribe', topics: [''] }, { topic: '' }],
    [{ type: 'topic:unsubscribe', topics: [{ topic: 'a' }] }, { topic: 'a' }],
    [{ type: 'topic:publish', id: 'i' }, { id: 'i' }],
    [{ type: 'topic:publish', id: 'i', topic: 'a' }, { id: 'i', topic: 'a' }],
    [{ type: 'topic:publish', id: '', topic: 'a', data: 1 }, { id: '', topic: 'a' }],
    [{ type: 'topic:publish', id: 'x'.repeat(65), topic: 'a', data: 1 }, { id: 'x'.repeat(64), topic: 'a' }],
    [{ type: 'topic:publish', id: 7, topic: 'a', data: 1 }, { topic: 'a' }],
    [{ type: 'topic:publish', id: 'i', topic: '', data: 1 }, { id: 'i', topic: '' }],
    [{ type: 'topic:history', topic: 'a' }, { topic: 'a' }],
    [{ type: 'topic:', id: 'i' }, { id: 'i' }]
  ]
  const client = await connect()
  for (const [message, answer] of refused) {
    client.send(message)
    t.same(await client.next(), { type: 'topic:refused', code: 'invalid', ...answer }, JSON.stringify(message).slice(0, 80))
  }
  const closes: unknown[] = [
    { type: 'topic:' }, { type: 'topic:subscribe' }, { type: 'topic:subscribe', topics: [] }, { type: 'topic:subscribe', topics: [7] },
    { type: 'topic:subscribe', topics: [null] }, { type: 'topic:subscribe', topics: [{ topic: 7 }] }, { type: 'topic:unsubscribe', topics: [[]] },
    { type: 'topic:publish', data: 1 }, { type: 'topic:subscribe', topics: Array.from({ length: 101 }, (_, n) => ({ topic: `${n}` })) },
    { type: 'topic:unsubscribe', topics: Array.from({ length: 101 }, (_, n) => `${n}`) }
  ]
  for (const message of closes) {
    const { socket, send } = await connect()
    send(message)
    const [code, reason] = await once(socket, 'close')
    t.same([code, reason.toString()], [4400, 'malformed topic message'], JSON.stringify(message).slice(0, 80))
  }
  t.same(heard, [], 'the application hears nothing of it')
})

t.test('everything else is the application\'s, byte for byte', async t => {
  const { connect, heard } = await build(t)
  const client = await connect()
  const texts = [
    'hello', '"topic:', '"topic:subscribe"', '["topic:subscribe"]', '{"a":"topic:subscribe"}', '{"type":["topic:subscribe"]}', '{"type":"topics","a":"topic:"}',
    ' {"text":"\\"topic:x\\""}', 'null', '{"type":"topic:subscribe"', '{"type":"Topic:subscribe","a":"topic:"}'
  ]
  for (const text of texts) client.send(text)
  client.socket.send(Buffer.from('{"type":"topic:subscribe","topics":[{"topic":"news"}]}'))
  await client.settle()
  t.same(heard, [...texts, '{"type":"topic:subscribe","topics":[{"topic":"news"}]}'])
  t.same(client.all, [])
})

t.test('one message may ask for many, and each is answered', async t => {
  const { connect, topics } = await build(t, { hub: { authorizeTopic: (_, topic) => topic !== 'secret' }, topics: KEPT })
  const client = await connect()
  client.send({ type: 'topic:subscribe', topics: [{ topic: 'kept/a' }, 7, { topic: 'after' }] })
  const [code] = await once(client.socket, 'close')
  t.equal(code, 4400, 'one that cannot be named ends it')
  const other = await connect()
  other.send({ type: 'topic:subscribe', topics: [{ topic: 'kept/a' }, { topic: 'plain' }, { topic: 'secret' }, { topic: '' }, { topic: 'after' }] })
  const answers = await Promise.all(Array.from({ length: 5 }, () => other.next()))
  t.same(answers.map(({ type, topic }) => [type, topic]).sort(), [
    ['topic:refused', ''], ['topic:refused', 'secret'], ['topic:subscribed', 'after'], ['topic:subscribed', 'kept/a'], ['topic:subscribed', 'plain']
  ])
  t.same(topics.stats.refused, { forbidden: 1, invalid: 1, too_many: 0, rate: 0, unavailable: 0, conflict: 0 })
  t.equal(topics.stats.subscriptions, 3)
  await other.close()
  const third = await connect()
  await third.settle()
  t.equal(topics.stats.subscriptions, 0, 'none is left of a client that has gone')
  t.equal(topics.stats.topics, 0)
})

t.test('nothing follows an unsubscription', async t => {
  const { connect, topics, app } = await build(t, { topics: KEPT })
  const client = await connect()
  await client.subscribe('kept/a')
  await client.subscribe('plain')
  client.send({ type: 'topic:unsubscribe', topics: ['kept/a', 'plain', 'never'] })
  await client.settle()
  await topics.publish('kept/a', 1)
  await topics.publish('plain', 1)
  await client.settle()
  t.equal(client.all.length, 2)
  t.same(app.wsHub.topics(), [], 'nor is it in the hub any more')
  // At once, before the first has an answer.
  client.send({ type: 'topic:subscribe', topics: [{ topic: 'plain' }] })
  client.send({ type: 'topic:unsubscribe', topics: ['plain'] })
  await client.settle()
  await topics.publish('plain', 2)
  await client.settle()
  t.same(client.all.slice(2).filter(({ type }) => type === 'topic:message'), [])
  t.same(app.wsHub.topics(), [])
})

t.test('a subscription that is taken back while it is asked about is none; a later one is', async t => {
  const answers: Array<(yes: boolean) => void> = []
  const { connect, topics, app } = await build(t, { hub: { authorizeTopic: () => new Promise(resolve => { answers.push(resolve) }) } })
  const client = await connect()
  client.send({ type: 'topic:subscribe', topics: [{ topic: 'a' }] })
  client.send({ type: 'topic:unsubscribe', topics: ['a'] })
  await client.settle()
  answers[0]?.(true)
  await client.settle()
  t.same([client.all, app.wsHub.topics(), topics.stats.subscriptions], [[], [], 0])
  client.send({ type: 'topic:subscribe', topics: [{ topic: 'a' }] })
  client.send({ type: 'topic:subscribe', topics: [{ topic: 'a' }] })
  await client.settle()
  answers[1]?.(true)
  await client.settle()
  t.same(client.all, [], 'the first was replaced')
  answers[2]?.(true)
  t.match(await client.next(), { type: 'topic:subscribed', topic: 'a' })
  t.equal(topics.stats.subscriptions, 1)
  client.send({ type: 'topic:subscribe', topics: [{ topic: 'b' }] })
  await client.settle()
  await client.close()
  answers[3]?.(true)
})

t.test('a second subscription replaces the first', async t => {
  const { connect, topics } = await build(t, { topics: KEPT })
  const client = await connect()
  const { position } = await client.subscribe('kept/a')
  await topics.publish('kept/a', 1)
  const again = await client.subscribe('kept/a', position)
  t.match(again, { recovered: true, messages: [{ data: 1 }] })
  await topics.publish('kept/a', 2)
  await client.settle()
  t.same(client.all.filter(({ type }) => type === 'topic:message').map(({ data }) => data), [1, 2], 'once')
})

t.test('the number of topics is bounded', async t => {
  const { connect, app, sockets } = await build(t, { hub: { maxTopicsPerConnection: 4 }, topics: { maxTopics: 3 } })
  const client = await connect()
  for (const topic of ['a', 'b', 'c']) t.match(await client.subscribe(topic), { type: 'topic:subscribed' })
  t.match(await client.subscribe('d'), { type: 'topic:refused', code: 'too_many' })
  t.match(await client.subscribe('a'), { type: 'topic:subscribed' }, 'one that it has')
  client.send({ type: 'topic:unsubscribe', topics: ['a'] })
  t.match(await client.subscribe('d'), { type: 'topic:subscribed' })
  client.send({ type: 'topic:unsubscribe', topics: ['b'] })
  await client.settle()
  const [socket] = sockets as [(typeof sockets)[0]]
  for (const topic of ['x', 'y']) app.wsHub.join(socket, topic)
  t.match(await client.subscribe('e'), { type: 'topic:refused', code: 'too_many' }, 'the hub is full')
})

t.test('subscriptions and publications have a rate', async t => {
  const slow = { perSecond: 0.001, burst: 2 }
  const { connect, topics } = await build(t, { topics: { subscribeRate: slow, publishRate: slow, authorizePublish: () => true } })
  const client = await connect()
  for (const topic of ['a', 'b']) t.match(await client.subscribe(topic), { type: 'topic:subscribed' })
  const refused = await client.subscribe('c')
  t.match(refused, { type: 'topic:refused', topic: 'c', code: 'rate' })
  t.ok(refused.retryAfter > 100_000 && refused.retryAfter <= 1_000_000)
  for (const id of ['1', '2', '3']) client.send({ type: 'topic:publish', id, topic: 'x', data: 1 })
  const answer = await client.of('topic:refused')
  t.match(answer, { type: 'topic:refused', topic: 'x', id: '3', code: 'rate', retryAfter: Number })
  t.equal(topics.stats.refused.rate, 2)
})

t.test('messages count towards the hub\'s limit', async t => {
  const { connect } = await build(t, { hub: { messageRate: { perSecond: 0.001, burst: 2 } } })
  const client = await connect()
  for (const topic of ['a', 'b', 'c', 'd']) client.send({ type: 'topic:subscribe', topics: [{ topic }] })
  const [code] = await once(client.socket, 'close')
  t.equal(code, 4429)
})

t.test('a client that is expelled is not heard any more', async t => {
  const { connect, app, topics } = await build(t, { topics: { authorizePublish: () => true } })
  const client = await connect()
  await client.subscribe('a')
  client.socket.pause()
  app.wsHub.disconnect('alice')
  client.send({ type: 'topic:publish', id: '1', topic: 'a', data: 1 })
  client.send({ type: 'topic:subscribe', topics: [{ topic: 'b' }] })
  client.socket.resume()
  await once(client.socket, 'close')
  t.same([topics.stats.published, topics.stats.subscriptions], [0, 0])
})

t.test('a refusal ends the subscription that the connection had', async t => {
  const refusals: Record<string, (client: Client) => unknown> = {
    rate: client => client.send({ type: 'topic:subscribe', topics: [{ topic: 'kept/a' }] }),
    'a position': client => client.send({ type: 'topic:subscribe', topics: [{ topic: 'kept/a', since: null }] }),
    'a name in place of an entry': client => client.send({ type: 'topic:subscribe', topics: ['kept/a'] }),
    'no list': client => client.send({ type: 'topic:subscribe', topic: 'kept/a' }),
    'an entry in place of a name': client => client.send({ type: 'topic:unsubscribe', topics: [{ topic: 'kept/a' }] }),
    'no id': client => client.send({ type: 'topic:publish', topic: 'kept/a', data: 1 }),
    'another type': client => client.send({ type: 'topic:history', topic: 'kept/a' })
  }
  for (const [what, refuse] of Object.entries(refusals)) {
    const { connect, topics, app } = await build(t, { topics: { ...KEPT, subscribeRate: { perSecond: 0.001, burst: 1 } } })
    const client = await connect()
    await client.subscribe('kept/a')
    refuse(client)
    t.match(await client.of('topic:refused'), { topic: 'kept/a', code: what === 'rate' ? 'rate' : 'invalid' }, what)
    t.same([topics.stats.subscriptions, topics.stats.topics, app.wsHub.topics()], [0, 0, []], what)
    await topics.publish('kept/a', 1)
    await client.settle()
    t.equal(client.all.length, 2, 'nothing follows')
  }
  const { connect, topics } = await build(t, { topics: KEPT })
  const client = await connect()
  await client.subscribe('kept/a')
  client.send({ type: 'topic:publish', id: 'one', topic: 'kept/a', data: 1 })
  t.match(await client.of('topic:refused'), { id: 'one' })
  t.equal(topics.stats.subscriptions, 1, 'that of a publication does not')
})

t.test('a client that was not told how many topics it may have is refused those beyond', async t => {
  for (const options of [{ topics: { maxTopics: 3 } }, { hub: { maxTopicsPerConnection: 3 } }]) {
    const { connect } = await build(t, options)
    const client = await connect()
    client.send({ type: 'topic:subscribe', topics: Array.from({ length: 100 }, (_, n) => ({ topic: `${n}` })) })
    const answers = await Promise.all(Array.from({ length: 100 }, () => client.next()))
    t.same(answers.filter(({ type }) => type === 'topic:subscribed').map(({ topic }) => topic), ['0', '1', '2'])
    t.equal(answers.filter(({ code }) => code === 'too_many').length, 97)
    client.send({ type: 'topic:unsubscribe', topics: Array.from({ length: 100 }, (_, n) => `${n}`) })
    t.match(await client.subscribe('4'), { type: 'topic:subscribed' })
  }
})
