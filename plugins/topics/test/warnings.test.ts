import websocket from '@fastify/websocket'
import wsHub from '@fastify-airlock/hub'
import Fastify from 'fastify'
import mqemitter from 'mqemitter'
import cluster from 'node:cluster'
import t, { type Test } from 'tap'
import wsTopics, { MemoryTopicStore, type TopicStore, type WsTopicsOptions } from '../src/index.js'
import { clientOf, HISTORY } from './helpers.js'

async function start (t: Test, options: WsTopicsOptions, hasBus = false) {
  const lines: any[] = []
  const app = Fastify({ logger: { level: 'info', stream: { write: (line: string) => { lines.push(JSON.parse(line)) } } } })
  t.teardown(() => app.close())
  await app.register(websocket)
  await app.register(wsHub, hasBus ? { bus: mqemitter() } : {})
  await app.register(wsTopics, options)
  app.get('/ws', { websocket: true }, socket => {
    app.wsHub.add(socket, { subject: 'alice' })
    app.wsTopics.accept(socket)
  })
  await app.ready()
  return { app, lines, codes: () => lines.filter(({ level }) => level >= 40).map(({ code, msg }) => code ?? msg) }
}

const topics = { kept: { history: HISTORY } }
const foreign = (): TopicStore => Object.assign(new MemoryTopicStore(), { local: false })

t.test('topics that only this node keeps, where there are others', async t => {
  const MEMORY = 'WSA_TOPICS_WARN_MEMORY_STORE'
  const cases: Array<[string, WsTopicsOptions, boolean, string[]]> = [
    ['a bus', { topics }, true, [MEMORY]],
    ['no bus', { topics }, false, []],
    ['nothing is kept', { topics: { kept: { history: false } } }, true, []],
    ['no topics', {}, true, []],
    ['a store of all', { topics, store: foreign() }, true, []],
    ['ignored', { topics, ignoreWarnings: [MEMORY] }, true, []]
  ]
  for (const [name, options, hasBus, expected] of cases) t.same((await start(t, options, hasBus)).codes(), expected, name)
  t.intercept(cluster, 'isWorker', { value: true, configurable: true })
  const { lines, codes } = await start(t, { topics })
  t.same(codes(), ['WSA_HUB_WARN_NO_BUS', MEMORY])
  t.match(lines.at(-1).msg, /a worker of a cluster/)
})

t.test('a client that publishes where nobody may is explained once', async t => {
  for (const [options, expected] of [[{}, ['WSA_TOPICS_WARN_AUTHORIZE_PUBLISH']], [{ authorizePublish: () => false }, []]] as const) {
    const { app, codes } = await start(t, options)
    const client = clientOf(await app.injectWS('/ws') as any)
    t.teardown(() => client.socket.terminate())
    for (const id of ['1', '2']) {
      client.send({ type: 'topic:publish', id, topic: 'news', data: 1 })
      t.match(await client.of('topic:refused'), { id, code: 'forbidden' })
    }
    t.same(codes(), expected)
  }
})

t.test('an outage of the store is one line, whatever fails', async t => {
  const store = foreign()
  let isAway = true
  for (const name of ['append', 'claim', 'open', 'read', 'heads'] as const) {
    const own = (store[name] as (...given: unknown[]) => unknown).bind(store)
    Object.assign(store, { [name]: (...given: unknown[]) => { if (isAway) throw new Error('away'); return own(...given) } })
  }
  const { app, lines, codes } = await start(t, { topics, store, authorizePublish: () => true })
  const client = clientOf(await app.injectWS('/ws') as any)
  t.teardown(() => client.socket.terminate())
  for (let n = 0; n < 5; n++) {
    client.send({ type: 'topic:publish', id: `${n}`, topic: 'kept', data: 1 })
    t.match(await client.of('topic:refused'), { code: 'unavailable' })
    await t.rejects(app.wsTopics.publish('kept', 1), { code: 'WSA_TOPICS_ERR_UNAVAILABLE' })
  }
  t.same(codes(), ['the store of topics fails: publications and subscriptions are put off'])
  isAway = false
  const [now] = [performance.now()]
  t.intercept(performance, 'now', { value: () => now + 10_000 })
  await app.wsTopics.publish('kept', 1)
  t.match(lines.at(-1), { level: 30, msg: 'the store of topics answers again', failed: 10 })
})
