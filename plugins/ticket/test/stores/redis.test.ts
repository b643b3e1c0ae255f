import t from 'tap'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort, requireServer, startRedis } from '@fastify-airlock/test-servers'
import { Cluster } from 'ioredis'
import { testTicketStore } from '../../src/contract.js'
import { wsTickets } from '../../src/index.js'
import { type RedisClient, RedisStore } from '../../src/stores/redis.js'
import { bare, record } from '../helpers.js'
import { FakeRedis } from './fake-redis.js'
import { connect, prefixOf } from './redis.js'
import { testStore } from './suite.js'

const TTL = 30_000

t.test('contract, on a stand-in for a connection', async t => {
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

t.test('the text of a script is sent only when Redis does not know it', async t => {
  const redis = new FakeRedis()
  const store = new RedisStore(redis)
  await store.put('one', record(), TTL)
  await store.put('two', record(), TTL)
  t.same(redis.calls, ['evalsha', 'eval', 'evalsha'])
})

t.test('it is not sent when Redis asks for it after the timeout', async t => {
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

t.test('another error of a script is passed on', async t => {
  const error = new Error('OOM command not allowed when used memory > \'maxmemory\'')
  const store = new RedisStore(Object.assign(new FakeRedis(), { evalsha: async () => { throw error } }))
  await t.rejects(store.put('one', record(), TTL), error)
})

t.test('a connection that would queue commands gets none', async t => {
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
  t.ok(redis.calls.length, 'a lazy connection connects with its first command')
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

t.test('a user without the right to ask is accepted; a server that does not answer is not ready', async t => {
  const warn = (): never => t.fail('a warning') as never
  const failing = (message: string) => new RedisStore(Object.assign(new FakeRedis(), { info: async () => { throw new Error(message) } }))
  await failing('NOPERM this user has no permissions to run the \'info\' command').ready({ warn })
  await t.rejects(failing('Connection is closed.').ready({ warn }), { message: 'Connection is closed.' })
})

const servers = await testStore(t, 'redis')
if (servers !== null) {
  const { url } = servers

  t.test('contract, on a connection with a prefix of its own', async t => {
    const prefix = prefixOf(t, await connect(t, url))
    const redis = await connect(t, url, { keyPrefix: prefix })
    let stores = 0
    testTicketStore(t, { create: () => new RedisStore(redis, { prefix: `${stores++}:`, timeout: 30_000 }), bounded: false })
  })

  t.test('each operation takes one round trip, and none closes the connection', async t => {
    const redis = await connect(t, url)
    const store = new RedisStore(redis, { prefix: prefixOf(t, redis) })
    const round = async (): Promise<void> => {
      await store.put('one', record(), TTL)
      await store.put('two', record({ reuse: true }), TTL)
      await store.take('one', 'here', Date.now())
      await store.take('two', 'here', Date.now())
      await store.revoke('alice')
    }
    await round()
    const sent: string[] = []
    const send = redis.sendCommand.bind(redis)
    redis.sendCommand = (command, stream) => {
      sent.push(command.name)
      return send(command, stream)
    }
    await round()
    t.same(sent, Array(5).fill('evalsha'))
    store.close()
    t.equal(await redis.ping(), 'PONG')
  })

  t.test('Redis forgets its scripts', async t => {
    const redis = await connect(t, url)
    const store = new RedisStore(redis, { prefix: prefixOf(t, redis) })
    const kept = record()
    await store.put('one', kept, TTL)
    await redis.script('FLUSH')
    t.same(await store.take('one', 'here', Date.now()), kept)
  })

  t.test('only hashes are in Redis, and nothing is left of used tickets', async t => {
    const redis = await connect(t, url)
    const prefix = prefixOf(t, redis)
    const app = bare(t)
    await app.register(wsTickets, { store: new RedisStore(redis, { prefix }), route: false })
    await app.ready()
    const issued = await Promise.all(['alice', 'alice', 'bob'].map(subject => app.wsTickets.issue(subject, { reuse: subject === 'bob' })))
    const keys = await redis.keys(`${prefix}*`)
    t.equal(keys.length, 5, 'three tickets, two indexes')
    const content = [...keys]
    for (const key of keys) {
      const index = key.startsWith(`${prefix}of:`)
      content.push(...index ? await redis.zrange(key, '0', '-1') : [await redis.get(key) as string])
      const life = await redis.pttl(key)
      t.ok(life > 0 && life <= TTL, `${index ? 'index' : 'ticket'}: expires in ${life} ms`)
    }
    t.match(content.join(), 'alice', 'with the records')
    for (const { ticket } of issued) {
      t.notMatch(content.join(), ticket)
      t.ok(await app.wsTickets.redeem(ticket))
    }
    t.equal((await redis.keys(`${prefix}*`)).length, 2, 'the reusable one and its index')
    t.equal(await app.wsTickets.revoke('bob'), 1)
    t.same(await redis.keys(`${prefix}*`), [])
  })

  t.test('the index of a subject outlives the longest ticket, and forgets those that expired', async t => {
    const redis = await connect(t, url)
    const prefix = prefixOf(t, redis)
    const store = new RedisStore(redis, { prefix })
    await store.put('short', record(), 50)
    await store.put('long', record(), 60_000)
    await store.put('medium', record(), TTL)
    const index = `${prefix}of:alice`
    t.ok(await redis.pttl(index) > TTL, 'as long as the longest')
    while (await redis.exists(`${prefix}short`)) await sleep(10)
    await store.put('last', record(), TTL)
    t.same(await redis.zrange(index, '0', '-1').then(members => members.sort()), ['last', 'long', 'medium'].map(hash => prefix + hash))
    await redis.del(`${prefix}last`)
    t.equal(await store.revoke('alice'), 2, 'a ticket that is gone does not count')
  })
}

t.test('Redis Cluster', async t => {
  // By default it listens on a port 10,000 above its own, which the system may have given to somebody else.
  const options = ['--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1', '--cluster-port', String(await freePort())]
  const clusterServer = requireServer(t, await startRedis(...options))
  if (clusterServer === null) return
  t.comment(clusterServer.kind)
  t.teardown(() => clusterServer.stop())
  const node = await connect(t, clusterServer.url)
  await node.call('CLUSTER', 'ADDSLOTSRANGE', '0', '16383')
  while (!String(await node.call('CLUSTER', 'INFO')).includes('cluster_state:ok')) await sleep(20)

  const cluster = new Cluster([clusterServer.url])
  t.teardown(() => cluster.disconnect())
  await once(cluster, 'ready')

  t.test('contract on Redis Cluster, with all keys in one slot', async t => {
    let stores = 0
    testTicketStore(t, { create: () => new RedisStore(cluster, { prefix: `{ws:ticket}:${stores++}:`, timeout: 30_000 }), bounded: false })
  })

  t.test('a prefix without a hash tag is refused by the constructor', async t => {
    t.throws(() => new RedisStore(cluster), { code: 'WSA_TICKET_ERR_OPTION', message: /hash tag/ })
  })
})
