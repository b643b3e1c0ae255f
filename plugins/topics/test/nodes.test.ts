import t, { type Test } from 'tap'
import { findPostgres, requireServer, startRedis } from '@fastify-airlock/test-servers'
import mqemitterRedis from 'mqemitter-redis'
import type { TopicStore } from '../src/index.js'
import { build, HISTORY, until } from './helpers.js'
import { lossy } from './lossy-bus.js'
import { PATIENCE, postgresStore, redisStore, spaceName } from './stores/servers.js'

const KEPT = { 'kept/+': { history: HISTORY } }
const LONG = 2 ** 31 - 1

const redis = requireServer(t, await startRedis())
const postgres = requireServer(t, await findPostgres())
if (redis !== null && postgres !== null) {
  t.comment(redis.kind)
  t.teardown(() => redis.stop())
  t.teardown(() => postgres.stop())

  const bus = (t: Test) => {
    const bus = mqemitterRedis({ connectionString: redis.url })
    t.teardown(() => new Promise<void>(resolve => bus.close(resolve)))
    return lossy(bus)
  }
  const stores: Record<string, (t: Test, space: string) => Promise<TopicStore>> = {
    redis: async (t, space) => (await redisStore(t, redis.url, space)).store,
    postgresql: async (t, space) => (await postgresStore(t, postgres.url, { table: space })).store
  }
  /** Two nodes with one bus and one store. */
  const two = async (t: Test, name: string, topics: object = {}, hub: object = {}) => {
    const space = spaceName()
    const start = async () => {
      const own = bus(t)
      const store = await (stores[name] as (typeof stores)[string])(t, space)
      const node = await build(t, { hub: { bus: own, ...hub }, topics: { store, storeTimeout: PATIENCE, topics: KEPT, headInterval: LONG, authorizePublish: () => true, ...topics } })
      await until(() => node.app.wsHub.health().bus === 'up')
      return { ...node, bus: own, store }
    }
    return [await start(), await start()] as const
  }

  for (const name of Object.keys(stores)) {
    await t.test(`two nodes on ${name}`, async t => {
      const [a, b] = await two(t, name)
      const [one, other] = [await a.connect(), await b.connect({ subject: 'bob' })]
      const { position } = await one.subscribe('kept/a')
      await other.subscribe('kept/a')
      await one.subscribe('plain')
      t.ok(await a.app.wsHub.busReady() && await b.app.wsHub.busReady())
      await b.topics.publish('kept/a', 1)
      await a.topics.publish('kept/a', 2)
      await b.topics.publish('plain', 'x')
      for (const client of [one, other]) {
        t.match(await client.next(({ topic, type }) => topic === 'kept/a' && type === 'topic:message'), { data: 1, position: { offset: 1 } })
      }
      t.match(await one.next(({ data }) => data === 'x'), { topic: 'plain', position: undefined })

      // A client moves on with what it has sent and nobody has acknowledged.
      one.send({ type: 'topic:publish', id: 'same', topic: 'kept/a', data: 3 })
      const first = await one.of('topic:published')
      await one.close()
      const moved = await b.connect()
      moved.send({ type: 'topic:publish', id: 'same', topic: 'kept/a', data: 3 })
      t.same((await moved.of('topic:published')).position, first.position, 'taken once, on any node')
      const back = await moved.subscribe('kept/a', position)
      t.match(back, { recovered: true })
      t.same(back.messages.map(({ data }: { data: unknown }) => data), [1, 2, 3])
    })

    await t.test(`${name}: what the bus loses is fetched: by the next one, and by a look at the heads`, async t => {
      const [a, b] = await two(t, name)
      const client = await a.connect()
      await client.subscribe('kept/a')
      await a.app.wsHub.busReady()
      b.bus.loses = true
      for (const n of [1, 2]) await b.topics.publish('kept/a', n)
      t.equal(b.bus.lost, 2)
      b.bus.loses = false
      await b.topics.publish('kept/a', 3)
      for (const n of [1, 2, 3]) t.match(await client.of('topic:message'), { data: n })
      b.bus.loses = true
      await b.topics.publish('kept/a', 4)
      await (a.topics as unknown as { compareHeads (): Promise<void> }).compareHeads()
      t.match(await client.of('topic:message'), { data: 4 })
    })
  }

  await t.test('the bus is away for a while: what was missed comes before what is new', async t => {
    const [a, b] = await two(t, 'postgresql', {}, { busBeat: 100 })
    const client = await a.connect()
    await client.subscribe('kept/a')
    await b.topics.publish('kept/a', 1)
    t.match(await client.of('topic:message'), { data: 1 })
    await redis.kill()
    await until(() => [a, b].every(({ app }) => app.wsHub.health().bus === 'down'))
    for (const n of [2, 3]) await b.topics.publish('kept/a', n)
    await redis.restart()
    await until(() => [a, b].every(({ app }) => app.wsHub.health().bus === 'up'))
    for (const n of [2, 3]) t.match(await client.of('topic:message'), { data: n })
    await b.topics.publish('kept/a', 4)
    t.match(await client.of('topic:message'), { data: 4 })
    t.notOk(client.all.some(({ type }) => type === 'topic:gap'))
  })

  await t.test('bus and store are away: the subscribers are told', async t => {
    const [a, b] = await two(t, 'redis', { gapTimeout: 1, storeTimeout: 5_000 }, { busBeat: 100 })
    const client = await a.connect()
    const { position } = await client.subscribe('kept/a')
    await b.topics.publish('kept/a', 1)
    t.match(await client.of('topic:message'), { data: 1 })
    await redis.kill()
    await until(() => [a, b].every(({ app }) => app.wsHub.health().bus === 'down'))
    await (a.topics as unknown as { compareHeads (): Promise<void> }).compareHeads()
    t.match(await client.of('topic:gap'), { position: { offset: 1 } })
    const other = await a.connect()
    t.match(await other.subscribe('kept/a', position), { type: 'topic:subscribed', recovered: false, position: { offset: 1 } }, 'who comes back as well')
    t.match(await other.subscribe('kept/b'), { type: 'topic:refused', code: 'unavailable' }, 'and of a topic that nothing is known of, later')
    t.match(await other.subscribe('plain'), { type: 'topic:subscribed' }, 'what is not kept goes on')
    await t.rejects(a.topics.publish('kept/a', 2), { code: 'WSA_TOPICS_ERR_UNAVAILABLE' })
    await redis.restart()
    await until(() => [a, b].every(({ app }) => app.wsHub.health().bus === 'up'))
  })
}
