import t, { type Test } from 'tap'
import { until } from './helpers.js'
import { dialTopics, implementations, serve, type Setup } from './server.js'
import { eventually, heard, tick } from './topics.js'

const KEPT = { history: { size: 1_000, ttl: 3_600_000 } }

/** A server with topics, of which those below `kept/` are kept. Everybody may have and publish everything but `secret`. */
async function start (t: Test, setup: Setup = {}) {
  return await serve(t, {
    hub: { authorizeTopic: (_, topic) => topic !== 'secret' },
    topics: { topics: { 'kept/#': KEPT }, authorizePublish: (_, topic) => topic !== 'secret' },
    ...setup
  })
}

const has = (all: unknown[], data: unknown) => () => all.some(one => JSON.stringify(one) === JSON.stringify(data))

for (const [name, constructor] of Object.entries(implementations)) {
  t.test(`subscribes, publishes and comes back: ${name}`, async t => {
    const server = await start(t)
    const { connection } = dialTopics(t, server, { WebSocket: constructor(`http://127.0.0.1:${server.port}`) })
    const other = dialTopics(t, server)
    const [kept, plain] = [heard(), heard()]
    const subscription = connection.subscribe('kept/a', kept.handlers)
    connection.subscribe('plain', plain.handlers)
    await eventually(() => kept.all.length && plain.all.length)
    const published = await other.connection.publish('kept/a', { n: 1 })
    t.match(published.position, { epoch: String, offset: 1 })
    t.same(await connection.publish('plain', 'p'), { position: undefined })
    await eventually(() => kept.all.length > 1 && plain.all.length > 1)
    t.same(subscription.position, published.position)

    const lost = until(connection, 'close')
    for (const client of server.app.websocketServer.clients) client.terminate()
    await lost
    await server.app.wsTopics.publish('kept/a', { n: 2 })
    await eventually(has(kept.all, { n: 2 }))
    await eventually(() => plain.all.length > 2)
    t.same(kept.all.filter(one => !Array.isArray(one)), [{ n: 1 }, { n: 2 }], 'nothing is lost, nothing doubled')
    t.ok(kept.all.some(one => Array.isArray(one) && one[2] === true), 'and it is told so')
    t.same(plain.all.at(-1), ['subscribed', undefined, false], 'where nothing is kept, that is told')
  })
}

t.test('is told what it may not have, and keeps the rest', async t => {
  const server = await start(t)
  const { connection } = dialTopics(t, server)
  const [secret, kept] = [heard(), heard()]
  connection.subscribe('secret', secret.handlers)
  connection.subscribe('kept/a', kept.handlers)
  connection.subscribe('', secret.handlers)
  connection.subscribe('é'.repeat(200), secret.handlers)
  await eventually(() => secret.all.length === 3 && kept.all.length)
  t.same(new Set(secret.all.map(one => (one as string[])[2])), new Set(['forbidden', 'invalid']))
  await t.rejects(connection.publish('secret', 1), { code: 'WSA_CLIENT_ERR_TOPIC_REFUSED', reason: 'forbidden' })
  await t.rejects(connection.publish('kept/a', 'x'.repeat(20_000)), { code: 'WSA_CLIENT_ERR_TOPIC_REFUSED', reason: 'invalid' })
  server.app.wsHub.evict({ topic: 'kept/a', subject: 'alice' } as never)
  await eventually(() => kept.all.length > 1)
  t.match(kept.all[1], ['end', 'WSA_CLIENT_ERR_TOPIC_LEFT', 'evicted'])
  t.equal(connection.status, 'open')
})

t.test('a server without the plugin is told of at once, by a code', async t => {
  const server = await serve(t)
  const { connection } = dialTopics(t, server)
  const { handlers, all } = heard()
  connection.subscribe('news', handlers)
  await t.rejects(connection.publish('news', 1), { code: 'WSA_CLIENT_ERR_TOPICS_OFF' })
  t.same(all, [['end', 'WSA_CLIENT_ERR_TOPICS_OFF', undefined]])
  connection.send({ type: 'topic:mine' })
  t.same(await until(connection, 'message'), { type: 'topic:mine' }, 'its messages are those of the application')
})

t.test('the application and the topics share a connection, over a refresh', async t => {
  const server = await start(t)
  const { connection } = dialTopics(t, server)
  const { handlers, all } = heard()
  connection.subscribe('kept/a', handlers)
  await eventually(() => all.length)
  connection.send({ n: 1 })
  t.same(await until(connection, 'message'), { n: 1 })
  await connection.refresh()
  await connection.publish('kept/a', 1)
  await eventually(has(all, 1))
  t.ok(connection.expiresAt)
})

t.test('a catch-up of many messages comes whole and in order', async t => {
  const server = await start(t)
  const { connection } = dialTopics(t, server)
  const { position } = await server.app.wsTopics.publish('kept/a', 0)
  for (let n = 1; n <= 600; n++) await server.app.wsTopics.publish('kept/a', n)
  const got: number[] = []
  for await (const { data } of connection.subscribe<number>('kept/a', { since: position })) {
    got.push(data)
    if (data === 600) break
  }
  t.same(got, Array.from({ length: 600 }, (_, n) => n + 1))
})

t.test('a snapshot and what comes after it fit together', async t => {
  const server = await start(t)
  const { connection } = dialTopics(t, server)
  const { topics } = { topics: server.app.wsTopics }
  let total = 0
  const publish = async (): Promise<void> => { await topics.publish('kept/a', ++total) }
  for (let n = 0; n < 5; n++) await publish()
  const seen: number[] = []
  connection.subscribe<number>('kept/a', {
    load: async () => {
      await publish()
      const position = await topics.position('kept/a') ?? undefined
      seen.push(total)
      await publish()
      await tick()
      return { position }
    },
    onMessage: ({ data }) => { seen.push(data) }
  })
  await eventually(() => seen.length === 2)
  await publish()
  await eventually(() => seen.length === 3)
  t.same(seen, [6, 7, 8])
})

t.test('with one door', async t => {
  const server = await start(t)
  const { connection } = dialTopics(t, server, { url: `ws://127.0.0.1:${server.port}/topics`, getTicket: undefined, getToken: undefined })
  const { handlers, all } = heard()
  connection.subscribe('kept/a', handlers)
  await eventually(() => all.length)
  t.match(await connection.publish('kept/a', 1), { position: { offset: 1 } })
  await eventually(has(all, 1))
  const lost = until(connection, 'close')
  for (const client of server.app.websocketServer.clients) client.terminate()
  await lost
  await connection.publish('kept/a', 2)
  await eventually(has(all, 2))
  t.same(all.filter(one => !Array.isArray(one)), [1, 2])
})
