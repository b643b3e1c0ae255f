import t from 'tap'
import { MemoryTopicStore } from '../src/index.js'
import { build, HISTORY } from './helpers.js'

const KEPT = { topics: { 'kept/+': { history: HISTORY } } }

t.test('a wrong publication is refused by a code, and publishes nothing', async t => {
  const { topics, connect, sockets } = await build(t, { topics: KEPT, hub: { maxBufferedBytes: 4_000 } })
  const client = await connect()
  for (const topic of ['kept/a', 'plain']) await client.subscribe(topic)
  const loop: Record<string, unknown> = {}
  loop.self = loop
  const [except] = sockets
  const cases: Array<[code: string, given: unknown[]]> = [
    ...['', 'x'.repeat(257), 'ä'.repeat(129), '/'.repeat(64), 7, undefined].map((topic): [string, unknown[]] => ['WSA_TOPICS_ERR_INVALID_TOPIC', [topic, 1]]),
    ...[undefined, () => {}, Symbol('x'), loop, 1n].map((data): [string, unknown[]] => ['WSA_TOPICS_ERR_INVALID_DATA', ['plain', data]]),
    ...[
      { histroy: false }, { history: true }, { history: {} }, { history: { size: 0, ttl: 1 } }, { history: { size: 1, ttl: 0 } }, { history: { size: 1 } }, { id: '' },
      { id: 7 }, { id: 'x'.repeat(257) }, { filter: 1 }, { except: 1 }, { local: 'yes' }, null
    ].map((options): [string, unknown[]] => ['WSA_TOPICS_ERR_INVALID_PUBLICATION', ['plain', 1, options]]),
    ['WSA_TOPICS_ERR_FILTER', ['kept/a', 1, { filter: () => true }]],
    ['WSA_TOPICS_ERR_FILTER', ['kept/a', 1, { except }]],
    ['WSA_TOPICS_ERR_FILTER', ['kept/a', 1, { local: true }]],
    ['WSA_TOPICS_ERR_FILTER', ['plain', 1, { filter: () => true, history: HISTORY }]],
    ['WSA_HUB_ERR_DATA_SIZE', ['plain', 'x'.repeat(4_000)]],
    ['WSA_HUB_ERR_DATA_SIZE', ['kept/a', 'x'.repeat(3_500)]]
  ]
  for (const [code, given] of cases) await t.rejects(topics.publish(...given as [string, unknown]), { code }, `${code}: ${String(given[0]).slice(0, 10)}`)
  await t.rejects(topics.position(''), { code: 'WSA_TOPICS_ERR_INVALID_TOPIC' })
  await client.settle()
  t.equal(client.all.length, 2)
  t.equal(topics.stats.published, 0)
})

t.test('what is kept is said by pattern, and by publication', async t => {
  const { topics } = await build(t, {
    topics: { topics: { exact: { history: HISTORY }, 'a/*': { history: HISTORY }, 'b/#': { history: HISTORY }, 'c/+/d': { history: HISTORY }, 'off/#': {}, '#': { history: { size: 1, ttl: 1_000 } } } }
  })
  for (const topic of ['exact', 'a/x', 'b', 'b/x/y', 'c/x/d', 'a/x/y', 'anything']) t.match(await topics.publish(topic, 1), { position: { offset: 1 } }, topic)
  for (const topic of ['off', 'off/x']) t.same(await topics.publish(topic, 1), {}, topic)
  t.match(await topics.publish('off/x', 1, { history: HISTORY }), { position: { offset: 1 } }, 'this one')
  t.same(await topics.publish('exact', 1, { history: false }), {}, 'not this one')
  t.match(await topics.position('exact'), { offset: 1 })
  t.match(await topics.position('never'), { epoch: /./, offset: 0 }, 'it is kept')
  t.equal(await topics.position('off/never'), null)
})

t.test('a publication that is not kept reaches those whom it means', async t => {
  const { topics, connect, sockets } = await build(t)
  const [alice, bob] = [await connect({ subject: 'alice' }), await connect({ subject: 'bob' })]
  for (const client of [alice, bob]) await client.subscribe('plain')
  await topics.publish('plain', 1, { filter: ({ subject }) => subject === 'bob' })
  await topics.publish('plain', 2, { except: sockets[0] as never })
  await topics.publish('plain', 3, { local: true })
  await topics.publish('plain', 4, { filter: (() => 'yes') as never })
  await topics.publish('nobody', 4, { local: true })
  await topics.publish('plain', 5, { id: 'one' })
  await topics.publish('plain', 5, { id: 'one' })
  await topics.publish('plain', 6, { id: 'two', local: true })
  await topics.publish('plain', 6, { id: 'two', local: true })
  await t.rejects(topics.publish('plain', 7, { id: 'one' }), { code: 'WSA_TOPICS_ERR_CONFLICT', statusCode: 409 })
  await Promise.all([alice, bob].map(client => client.settle()))
  t.same(alice.all.slice(1).map(({ data }) => data), [3, 5, 6])
  t.same(bob.all.slice(1).map(({ data }) => data), [1, 2, 3, 5, 6])
})

t.test('a publication with an id is taken once', async t => {
  const { topics } = await build(t, { topics: KEPT })
  const { position } = await topics.publish('kept/a', 1, { id: 'one' })
  t.same(await topics.publish('kept/a', 1, { id: 'one' }), { position })
  await t.rejects(topics.publish('kept/a', 2, { id: 'one' }), { code: 'WSA_TOPICS_ERR_CONFLICT' })
  t.match(await topics.publish('kept/b', 1, { id: 'one' }), { position: { offset: 1 } }, 'of another topic')
})

t.test('a store that fails, or has no answer in time', async t => {
  const store = new MemoryTopicStore()
  let answer = (): unknown => { throw new Error('away') }
  Object.assign(store, { local: false, append: () => answer(), claim: () => answer() })
  const { topics, connect } = await build(t, { topics: { ...KEPT, store, storeTimeout: 50, authorizePublish: () => true } })
  const client = await connect()
  const fails = async (): Promise<void> => {
    await t.rejects(topics.publish('kept/a', 1), { code: 'WSA_TOPICS_ERR_UNAVAILABLE', statusCode: 503 })
    await t.rejects(topics.publish('plain', 1, { id: 'one' }), { code: 'WSA_TOPICS_ERR_UNAVAILABLE' })
    client.send({ type: 'topic:publish', id: 'i', topic: 'kept/a', data: 1 })
    t.same(await client.of('topic:refused'), { type: 'topic:refused', topic: 'kept/a', id: 'i', code: 'unavailable' })
  }
  await fails()
  answer = async () => { throw new Error('away') }
  await fails()
  answer = () => new Promise(() => {})
  await fails()
})

t.test('clients publish where authorizePublish says so', async t => {
  const asked: unknown[] = []
  const { topics, connect } = await build(t, {
    topics: {
      ...KEPT,
      maxMessageBytes: 100,
      authorizeTimeout: 50,
      authorizePublish: (identity, topic, request) => {
        asked.push([identity.subject, topic, request])
        if (topic === 'throws') throw new Error('no')
        if (topic === 'rejects') return Promise.reject(new Error('no'))
        if (topic === 'never') return new Promise<boolean>(() => {})
        if (topic === 'truthy') return 'yes' as never
        return Promise.resolve(topic.startsWith('kept/') || topic === 'plain')
      }
    }
  })
  const [one, two] = [await connect(), await connect({ subject: 'bob' })]
  for (const topic of ['kept/a', 'plain']) await two.subscribe(topic)
  const publish = async (topic: string, data: unknown, id: string): Promise<object> => {
    one.send({ type: 'topic:publish', id, topic, data })
    return await one.next(message => message.id === id)
  }
  t.match(await publish('kept/a', { text: 'hi' }, '1'), { type: 'topic:published', id: '1', position: { offset: 1 } })
  t.same(await publish('plain', null, '2'), { type: 'topic:published', id: '2' })
  t.same(await publish('other', 1, '3'), { type: 'topic:refused', topic: 'other', id: '3', code: 'forbidden' })
  for (const [topic, code] of [['throws', 'unavailable'], ['rejects', 'unavailable'], ['never', 'unavailable'], ['truthy', 'forbidden']] as const) {
    t.same(await publish(topic, 1, topic), { type: 'topic:refused', topic, id: topic, code })
  }
  t.match(await publish('plain', 'x'.repeat(98), '4'), { type: 'topic:published' })
  t.match(await publish('plain', 'x'.repeat(99), '5'), { type: 'topic:refused', code: 'invalid' })
  t.match(await publish('plain', 'ä'.repeat(50), '6'), { type: 'topic:refused', code: 'invalid' }, 'bytes, not characters')
  t.same(asked[0], ['alice', 'kept/a', { id: '1', data: { text: 'hi' } }])
  t.match(await two.of('topic:message'), { topic: 'kept/a', data: { text: 'hi' }, position: { offset: 1 } })
  t.same(await two.of('topic:message'), { type: 'topic:message', topic: 'plain', data: null })
  t.equal(topics.stats.published, 3)
})

t.test('nobody may publish by default', async t => {
  const { connect } = await build(t)
  const client = await connect()
  client.send({ type: 'topic:publish', id: '1', topic: 'a', data: 1 })
  t.match(await client.next(), { type: 'topic:refused', id: '1', code: 'forbidden' })
})

t.test('what a client sends again is taken once: of its session, its topic and its data', async t => {
  const { connect } = await build(t, { topics: { ...KEPT, authorizePublish: () => true }, hub: { maxBufferedBytes: 8_000 } })
  const publish = async (claims: object, topic: string, data: unknown, subject = 'alice'): Promise<unknown> => {
    const client = await connect({ subject, claims: JSON.stringify(claims) })
    client.send({ type: 'topic:publish', id: 'one', topic, data })
    const { position, code } = await client.next(message => message.id === 'one')
    await client.close()
    return code ?? position?.offset ?? 'taken'
  }
  t.equal(await publish({}, 'kept/a', 1), 1)
  t.equal(await publish({}, 'kept/a', 1), 1, 'again, on another connection')
  t.equal(await publish({}, 'kept/a', 2), 'conflict', 'another one with this id')
  t.equal(await publish({ sid: 's1' }, 'kept/a', 1), 2, 'of another session')
  t.equal(await publish({ sid: 's1' }, 'kept/a', 1), 2)
  t.equal(await publish({}, 'kept/a', 1, 'bob'), 3, 'of another user')
  t.equal(await publish({}, 'kept/b', 1), 1, 'to another topic')
  t.equal(await publish({}, 'plain', 1), 'taken')
  t.equal(await publish({}, 'plain', 1), 'taken')
  t.equal(await publish({}, 'plain', 2), 'conflict')
  t.equal(await publish({}, 'kept/a', 'x'.repeat(7_900)), 'invalid', 'larger than a connection may have waiting')
})

t.test('publications of one connection keep their order, and only so many may wait', async t => {
  const store = new MemoryTopicStore()
  const append = store.append.bind(store)
  const waiting: Array<() => void> = []
  Object.assign(store, {
    append: async (...given: Parameters<typeof append>) => {
      await new Promise<void>(resolve => { waiting.push(resolve) })
      return append(...given)
    }
  })
  const { connect, topics } = await build(t, {
    hub: { messageRate: false },
    topics: { ...KEPT, store, storeTimeout: 60_000, authorizePublish: () => true, publishRate: { perSecond: 1_000, burst: 1_000 } }
  })
  const client = await connect()
  for (let n = 0; n < 201; n++) client.send({ type: 'topic:publish', id: `${n}`, topic: 'kept/a', data: n })
  t.match(await client.next(), { type: 'topic:refused', id: '200', code: 'rate', retryAfter: 1 })
  t.equal(waiting.length, 1, 'one at a time')
  for (let n = 0; n < 3; n++) {
    waiting.pop()?.()
    t.match(await client.of('topic:published'), { id: `${n}`, position: { offset: n + 1 } })
    while (waiting.length === 0) await new Promise(resolve => setImmediate(resolve))
  }
  const before = topics.stats.published
  await client.close()
  waiting.pop()?.()
  while (topics.stats.published === before) await new Promise(resolve => setImmediate(resolve))
  t.equal(waiting.length, 0, 'what nobody waits for any more is not published: a client that comes back sends it again')
})

t.test('a store that answers nonsense ends no process', async t => {
  const store = Object.assign(new MemoryTopicStore(), { open: () => ({ epoch: 1n, offset: 0 }) })
  const { connect } = await build(t, { topics: { ...KEPT, store: store as never } })
  const client = await connect()
  t.same(await client.subscribe('kept/a'), { type: 'topic:refused', topic: 'kept/a', code: 'unavailable' })
})

t.test('data that cannot be written again is refused, and ends no process', async t => {
  const { connect, topics } = await build(t, { topics: { ...KEPT, authorizePublish: () => true }, hub: { messageRate: false } })
  const client = await connect()
  const subscriber = await connect()
  await subscriber.subscribe('kept/a')
  const kinds: Record<string, (depth: number) => string> = {
    arrays: depth => '['.repeat(depth) + ']'.repeat(depth),
    objects: depth => '{"a":'.repeat(depth) + '1' + '}'.repeat(depth),
    mixed: depth => '[{"a":'.repeat(depth) + '1' + '}]'.repeat(depth)
  }
  let taken = 0
  for (const [kind, nest] of Object.entries(kinds)) {
    for (const topic of ['kept/a', 'plain']) {
      // Less than the largest message, and deeper than the stack.
      client.send(`{"type":"topic:publish","id":"${kind} ${topic}","topic":"${topic}","data":${nest(7_000)}}`)
      const { type, code } = await client.next()
      // A Node whose stack does not limit it can write it.
      if (type === 'topic:published') taken++
      else t.same([type, code], ['topic:refused', 'invalid'])
      client.send(`{"type":"topic:publish","id":"${kind} ${topic} 2","topic":"${topic}","data":${nest(500)}}`)
      t.match(await client.next(), { type: 'topic:published', id: `${kind} ${topic} 2` }, 'and the next one is taken')
      taken++
    }
  }
  t.equal(topics.stats.published, taken)
  for (const kind of Object.keys(kinds)) t.match(await subscriber.of('topic:message'), { topic: 'kept/a' }, kind)
})

t.test('an id that was taken while the topic kept nothing has no position', async t => {
  const { topics, connect } = await build(t, { topics: { topics: { 'kept/+': { history: HISTORY } }, authorizePublish: () => true } })
  const client = await connect()
  await client.subscribe('kept/a')
  t.same(await topics.publish('kept/a', 1, { id: 'one', history: false }), {})
  t.same(await topics.publish('kept/a', 1, { id: 'one' }), {}, 'it is known, and stands nowhere')
  t.same(await topics.publish('kept/a', 2, { id: 'two' }), { position: await topics.position('kept/a') })
  t.same(await topics.publish('kept/a', 2, { id: 'two', history: false }), {})
  await client.settle()
  t.same(client.all.slice(1).map(({ data, position }) => [data, position?.offset]), [[1, undefined], [2, 1]], 'each once')
})

t.test('a store whose answers cannot be told ends no process', async t => {
  const answers: unknown[] = [undefined, null, 7, {}, { position: null, claimed: 'new' }, { position: { epoch: 1n, offset: 1 }, claimed: 'new' }, { position: { epoch: 'e', offset: 1n }, claimed: 'new' }]
  for (const answer of answers) {
    const store = Object.assign(new MemoryTopicStore(), { append: () => answer })
    const { connect } = await build(t, { topics: { ...KEPT, store: store as never, authorizePublish: () => true } })
    const client = await connect()
    for (const id of ['1', '2']) {
      client.send({ type: 'topic:publish', id, topic: 'kept/a', data: 1 })
      t.same(await client.next(), { type: 'topic:refused', topic: 'kept/a', id, code: 'unavailable' })
    }
  }
  for (const answer of [undefined, null, 7, {}, { position: { epoch: 'e', offset: 3 } }, { position: { epoch: 'e', offset: 3 }, messages: [null], complete: true }]) {
    const store = Object.assign(new MemoryTopicStore(), { read: () => answer })
    const { connect, topics } = await build(t, { topics: { ...KEPT, store: store as never, gapTimeout: 1 } })
    const client = await connect()
    const { position } = await client.subscribe('kept/a')
    store.append('kept/a', '1', HISTORY)
    await topics.publish('kept/a', 2)
    t.match(await client.subscribe('kept/a', { ...position, offset: 7 }), { type: 'topic:subscribed', recovered: false }, JSON.stringify(answer))
  }
})

t.test('a publication to a store that answers nonsense ends no process', async t => {
  const store = Object.assign(new MemoryTopicStore(), { append: () => ({ claimed: 'new' }) })
  const { connect } = await build(t, { topics: { ...KEPT, store: store as never, authorizePublish: () => true } })
  const client = await connect()
  await client.subscribe('kept/a')
  client.send({ type: 'topic:publish', id: '1', topic: 'kept/a', data: 1 })
  t.match(await client.of('topic:refused'), { id: '1', code: 'unavailable' })
})
