import t from 'tap'
import { setTimeout as sleep } from 'node:timers/promises'
import { findRedis, requireServer } from '@fastify-airlock/test-servers'
import { testTopicStore } from '../../src/contract.js'
import type { TopicStore } from '../../src/index.js'
import { RedisTopicStore } from '../../src/stores/redis.js'
import { connectRedis, redisStore, spaceName } from './servers.js'

/** A stand-in for a connection, for what a real one does not answer. */
const standIn = (answers: object) => ({
  status: 'ready', evalsha: async () => { throw new Error('NOSCRIPT') }, eval: async () => [0, 'e', '1'], hmget: async () => [null, null], config: async () => [], ...answers
})
const KEEP = { size: 1, ttl: 1_000 }

t.test('a wrong option', async t => {
  for (const options of [{ prefix: '' }, { timeout: 0 }, { perfix: 'x' }]) {
    t.throws(() => new RedisTopicStore(standIn({}), options as object), { code: 'WSA_TOPICS_ERR_OPTION' }, JSON.stringify(options))
  }
  for (const redis of [undefined, {}, 'redis://127.0.0.1']) t.throws(() => new RedisTopicStore(redis as never), { code: 'WSA_TOPICS_ERR_OPTION' })
})

t.test('a Redis that may lose or evict what was acknowledged is reported', async t => {
  const cases: Array<[answers: Record<string, string>, warnings: number]> = [
    [{ appendonly: 'no' }, 1], [{ appendonly: 'yes' }, 0], [{ 'maxmemory-policy': 'allkeys-lru' }, 1], [{ 'maxmemory-policy': 'noeviction' }, 0],
    [{ appendonly: 'no', 'maxmemory-policy': 'allkeys-random' }, 2], [{}, 0]
  ]
  for (const [answers, count] of cases) {
    const warnings: string[] = []
    const store = new RedisTopicStore(standIn({ config: async (_: string, name: string) => answers[name] === undefined ? [] : [name, answers[name]] }))
    await store.ready({ warn: (_, message) => { warnings.push(message) } })
    t.equal(warnings.length, count, JSON.stringify(answers))
  }
  await new RedisTopicStore(standIn({ config: async () => { throw new Error('NOPERM') } })).ready({ warn: () => t.fail() })
})

t.test('scripts are sent when Redis does not know them, unless nobody waits any more', async t => {
  t.match(await new RedisTopicStore(standIn({})).append('a', '1', KEEP), { position: { epoch: 'e', offset: 1 }, claimed: 'new' })
  await t.rejects(new RedisTopicStore(standIn({ evalsha: async () => { throw new Error('OOM') } })).append('a', '1', KEEP), { message: 'OOM' })
  const late = standIn({ evalsha: async () => { const begin = performance.now(); while (performance.now() - begin < 2); throw new Error('NOSCRIPT') } })
  await t.rejects(new RedisTopicStore(late, { timeout: 1 }).append('a', '1', KEEP), { message: 'NOSCRIPT' })
})

t.test('a connection that would queue commands gets none', async t => {
  for (const status of ['connecting', 'reconnecting', 'end']) {
    const store = new RedisTopicStore(standIn({ status }))
    await t.rejects(store.append('a', '1', KEEP), { message: `The connection to Redis is not ready: ${status}` })
    await t.rejects(store.heads(['a']))
  }
  t.same(await new RedisTopicStore(standIn({ status: 'wait' })).heads(['a']), [null])
})

const server = requireServer(t, await findRedis())
if (server !== null) {
  t.teardown(() => server.stop())
  t.comment(server.kind)
  const spaces = new WeakMap<TopicStore, string>()

  t.test('contract', async t => {
    const make = async (space: string): Promise<TopicStore> => {
      const { store } = await redisStore(t, server.url, space)
      spaces.set(store, space)
      return store
    }
    testTopicStore(t, {
      create: () => make(spaceName()),
      another: store => make(spaces.get(store) as string),
      wait: milliseconds => sleep(milliseconds)
    })
  })

  t.test('what is over is passed over, however much it is, and what is kept is a stream that ends', async t => {
    const { store, redis, prefix } = await redisStore(t, server.url)
    const { epoch } = await store.open('news', 60_000)
    for (let n = 1; n <= 10; n++) await store.append('news', `${n}`, { size: 100, ttl: n < 9 ? 20 : 60_000 })
    await sleep(40)
    const read = await store.read('news', { epoch, offset: 0 }, 3)
    // How many come with it depends on how many were trimmed before.
    t.same([read.complete, read.messages[0]?.offset], [false, 9])
    await store.append('news', '11', { size: 100, ttl: 60_000, id: { key: 'k', digest: 'd', window: 60_000 } })
    const keys = await redis.keys(`${prefix}*`)
    t.equal(keys.length, 3)
    for (const key of keys) t.ok(await redis.pttl(key) > 0, 'each ends by itself')
    // Somebody else has taken the key.
    const opened = await store.open('taken', 60_000)
    await redis.set(`${prefix}{taken}:log`, 'x')
    await t.rejects(store.append('taken', '1', KEEP), { message: /WRONGTYPE/ })
    t.same(await store.heads(['taken']), [opened], 'nothing is counted that is not there')
    await redis.del(`${prefix}{taken}:log`)
    t.same((await store.append('taken', '1', KEEP)).position, { ...opened, offset: 1 })
    const other = await connectRedis(t, server.url)
    await other.script('FLUSH')
    t.match(await store.append('news', '12', KEEP), { position: { epoch, offset: 12 } })
  })
}
