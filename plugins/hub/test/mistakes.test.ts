import cluster from 'node:cluster'
import Fastify from 'fastify'
import mqemitter from 'mqemitter'
import t, { type Test } from 'tap'
import wsHub, { type WsHubOptions } from '../src/index.js'
import { build } from './helpers.js'

interface Line {
  level: number
  code: string
  msg: string
}

const log = (lines: Line[]) => ({ logger: { level: 'warn', stream: { write: (line: string) => { lines.push(JSON.parse(line)) } } } })

t.test('methods may be taken from the decorator', async t => {
  const { hub, pair } = await build(t)
  const { socket, messages } = await pair()
  const { join, publish, broadcast, count, subjects, topics, connectionsOf, leave, health, busReady, disconnect } = hub
  t.ok(join(socket, 'news'))
  t.equal(publish('news', 'one'), 1)
  t.equal(broadcast('two'), 1)
  t.same([count(), subjects(), topics(), connectionsOf('alice').size, health().status, await busReady()], [1, ['alice'], ['news'], 1, 'ok', true])
  t.ok(leave(socket, 'news'))
  t.equal(disconnect('alice'), 1)
  t.ok(messages)
})

t.test('a hub without a bus in a worker of a cluster is warned of', async t => {
  const codes = async (options: WsHubOptions): Promise<string[]> => {
    const lines: Line[] = []
    const app = Fastify(log(lines))
    t.teardown(() => app.close())
    await app.register(wsHub, options)
    await app.ready()
    return lines.map(({ code }) => code)
  }
  t.same(await codes({}), [])
  t.intercept(cluster, 'isWorker', { value: true, configurable: true })
  t.same(await codes({}), ['WSA_HUB_WARN_NO_BUS'])
  t.same(await codes({ ignoreWarnings: ['WSA_HUB_WARN_NO_BUS'] }), [])
  const bus = mqemitter()
  t.teardown(() => { bus.close(() => {}) })
  t.same(await codes({ bus: bus as never }), [])
})

async function asked (t: Test, hub: WsHubOptions): Promise<Line[]> {
  const lines: Line[] = []
  const { hub: { requestJoin }, pair } = await build(t, { hub, fastify: log(lines) })
  const { socket } = await pair()
  for (let i = 0; i < 2; i++) t.equal(await requestJoin(socket, 'news'), false)
  return lines
}

t.test('topics that are denied by the set-up are explained once', async t => {
  const code = 'WSA_HUB_WARN_AUTHORIZE_TOPIC'
  for (const [hub, message] of [
    [{}, /there is no authorizeTopic/],
    [{ authorizeTopic: () => undefined }, /authorizeTopic returned undefined/],
    [{ authorizeTopic: async () => null }, /authorizeTopic returned null/]
  ] as const) {
    const lines = await asked(t, hub as object)
    t.match(lines, [{ level: 40, code, msg: message }])
    t.equal(lines.length, 1)
  }
  t.same(await asked(t, { authorizeTopic: () => false }), [], 'a no is a no')
})

t.test('an unknown option is named with the nearest', async t => {
  for (const [options, message] of [
    [{ maxConnectionsPerUser: 1 }, /unknown option `maxConnectionsPerUser`; did you mean `maxConnectionsPerSubject`\?/],
    [{ drain: { batchSize: 1 } }, /drain\.batchSize: unknown option `batchSize`; did you mean `batch`\? Known options: batch, interval, timeout and jitter/],
    [{ messageRate: { rate: 1 } }, /messageRate\.rate: unknown option `rate`\. Known options: perSecond and burst/],
    [{ busPrefix: '/a' }, /busPrefix: Expected letters/]
  ] as const) {
    const app = Fastify()
    t.teardown(() => app.close())
    await t.rejects(async () => { await app.register(wsHub, options as object) }, { code: 'WSA_HUB_ERR_OPTION', message }, String(message))
  }
})
