import t from 'tap'
import { setTimeout as sleep } from 'node:timers/promises'
import { findRedis, requireServer } from '@fastify-airlock/test-servers'
import { testTicketStore } from '../src/contract.js'
import { RedisStore, wsTickets } from '../src/index.js'
import { bare, record } from './helpers.js'
import { connect, prefixOf } from './redis.js'

const TTL = 30_000

const server = requireServer(t, await findRedis())
if (server !== null) {
  const { kind, url, stop } = server
  t.comment(kind)
  t.teardown(stop)

  t.test('contract', async t => {
    const redis = await connect(t, url)
    const prefix = prefixOf(t, redis)
    let stores = 0
    testTicketStore(t, { create: () => new RedisStore(redis, { prefix: `${prefix}${stores++}:`, timeout: 30_000 }), bounded: false })
  })

  t.test('contract, behind a prefix of the connection itself', async t => {
    const prefix = prefixOf(t, await connect(t, url))
    const redis = await connect(t, url, { keyPrefix: prefix })
    let stores = 0
    testTicketStore(t, { create: () => new RedisStore(redis, { prefix: `${stores++}:`, timeout: 30_000 }), bounded: false })
  })

  t.test('one round trip each, none closes the connection', async t => {
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

  t.test('only hashes are in Redis, and nothing is left when they are used', async t => {
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
    t.match(content.join(), 'alice', 'records are among it')
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
    t.equal(await store.revoke('alice'), 2, 'what is not there does not count')
  })

  t.test('subjects and audiences of any characters', async t => {
    const redis = await connect(t, url)
    const store = new RedisStore(redis, { prefix: prefixOf(t, redis) })
    for (const text of ['a b\r\n$1\r\n', '*', '\0', 'ä€😀', '\ud800', '{x}:of:alice', '"]', 'x'.repeat(100_000)]) {
      const kept = record({ subject: text, audience: text })
      await store.put('one', kept, TTL)
      t.same(await store.take('one', text, Date.now()), kept)
      await store.put('one', kept, TTL)
      t.equal(await store.revoke(text), 1)
    }
  })

  t.test('two servers on one Redis honour each other\'s tickets, once', async t => {
    const redis = await connect(t, url)
    const prefix = prefixOf(t, redis)
    const [a, b] = [bare(t), bare(t)]
    for (const app of [a, b]) {
      await app.register(wsTickets, { store: new RedisStore(await connect(t, url), { prefix }), route: false })
      await app.ready()
    }
    const { ticket } = await a.wsTickets.issue('alice')
    t.match(await b.wsTickets.redeem(ticket), { subject: 'alice' })
    t.equal(await a.wsTickets.redeem(ticket), null)
    await b.wsTickets.issue('alice')
    t.equal(await a.wsTickets.revoke('alice'), 1)
  })
}
