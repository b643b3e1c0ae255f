import t from 'tap'
import { setTimeout as sleep } from 'node:timers/promises'
import { testTicketStore } from '../src/contract.js'
import { type RedisClient, RedisStore } from '../src/index.js'
import { FakeRedis } from './fixtures/fake-redis.js'
import { record } from './helpers.js'

const TTL = 30_000

t.test('contract', async t => {
  testTicketStore(t, { create: () => new RedisStore(new FakeRedis()), bounded: false })
})

t.test('a wrong option', async t => {
  for (const options of [{ prefix: '' }, { prefix: 1 }, { timeout: 0 }, { perfix: 'x' }]) {
    t.throws(() => new RedisStore(new FakeRedis(), options as object), { code: 'WSA_TICKET_ERR_OPTION' }, JSON.stringify(options))
  }
  for (const redis of [undefined, {}, 'redis://127.0.0.1']) {
    t.throws(() => new RedisStore(redis as unknown as RedisClient), { code: 'WSA_TICKET_ERR_OPTION', message: /redis: .*evalsha/ })
  }
})

t.test('Redis Cluster needs a hash tag', async t => {
  const cluster = Object.assign(new FakeRedis(), { isCluster: true })
  for (const prefix of ['ws:ticket:', '{}:', '{}{ws}:', '{ws', 'ws}']) {
    t.throws(() => new RedisStore(cluster, { prefix }), { code: 'WSA_TICKET_ERR_OPTION', message: /hash tag/ }, prefix)
  }
  t.throws(() => new RedisStore(cluster), { code: 'WSA_TICKET_ERR_OPTION' })
  for (const prefix of ['{ws:ticket}:', 'app:{tickets}']) t.ok(new RedisStore(cluster, { prefix }), prefix)
})

t.test('the text of a script is sent when Redis does not know it, and only then', async t => {
  const redis = new FakeRedis()
  const store = new RedisStore(redis)
  await store.put('one', record(), TTL)
  await store.put('two', record(), TTL)
  t.same(redis.calls, ['evalsha', 'eval', 'evalsha'])
})

t.test('it is not sent to a Redis that says so when nobody waits any more', async t => {
  const redis = new FakeRedis()
  const store = new RedisStore(redis, { timeout: 20 })
  const { evalsha } = redis
  redis.evalsha = async (...given) => {
    const begin = performance.now()
    while (performance.now() - begin < 20) await sleep(5)
    return evalsha.apply(redis, given)
  }
  await t.rejects(store.take('one', 'here', 0), { message: /^NOSCRIPT/ })
  t.same(redis.calls, ['evalsha'])
})

t.test('what else a script fails with comes out as it is', async t => {
  const error = new Error('OOM command not allowed when used memory > \'maxmemory\'')
  const store = new RedisStore(Object.assign(new FakeRedis(), { evalsha: async () => { throw error } }))
  await t.rejects(store.put('one', record(), TTL), error)
})

t.test('nothing is handed to a connection that would put it aside', async t => {
  const redis = new FakeRedis()
  const store = new RedisStore(redis)
  for (redis.status of ['connecting', 'connect', 'reconnecting', 'close', 'end']) {
    await t.rejects(store.put('one', record(), TTL), { message: `The connection to Redis is not ready: ${redis.status}` })
    await t.rejects(store.take('one', 'here', 0))
    await t.rejects(store.revoke('alice'))
  }
  t.same(redis.calls, [])
  redis.status = 'wait'
  await store.put('one', record(), TTL)
  t.ok(redis.calls.length, 'a lazy one connects with its first command')
})

t.test('a Redis that may evict is reported', async t => {
  const cases: Array<[memory: string, warned: boolean]> = [
    ['maxmemory:1048576\r\nmaxmemory_policy:volatile-lru\r\n', true],
    ['maxmemory:1048576\r\nmaxmemory_policy:noeviction\r\n', false],
    ['maxmemory:0\r\nmaxmemory_policy:allkeys-lru\r\n', false],
    ['', false]
  ]
  for (const [memory, warned] of cases) {
    const warnings: string[] = []
    const store = new RedisStore(Object.assign(new FakeRedis(), { memory }))
    await store.ready({ warn: (details, message) => { warnings.push(`${JSON.stringify(details)} ${message}`) } })
    t.equal(warnings.length, warned ? 1 : 0, memory)
    if (warned) t.match(warnings[0], /"volatile-lru".*noeviction/)
  }
})

t.test('a user who may not ask for that is none the worse; a server that does not answer is not ready', async t => {
  const warn = (): never => t.fail('a warning') as never
  const failing = (message: string) => new RedisStore(Object.assign(new FakeRedis(), { info: async () => { throw new Error(message) } }))
  await failing('NOPERM this user has no permissions to run the \'info\' command').ready({ warn })
  await t.rejects(failing('Connection is closed.').ready({ warn }), { message: 'Connection is closed.' })
})
