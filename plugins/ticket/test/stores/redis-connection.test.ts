import t, { type Test } from 'tap'
import { setTimeout as sleep } from 'node:timers/promises'
import { requireServer, startRedis } from '@fastify-airlock/test-servers'
import type { Redis, RedisOptions } from 'ioredis'
import { RedisStore } from '../../src/stores/redis.js'
import { eventually, PATIENCE, serve, STORE_TIMEOUT, testStart } from './outages.js'
import { ADVISED, becomes, connect, connectTo, prefixOf } from './redis.js'

/** Whether a command has been answered or has failed. */
function track (command: Promise<unknown>): { state: 'pending' | 'answered' | 'failed', settled: Promise<void> } {
  const outcome: ReturnType<typeof track> = { state: 'pending', settled: Promise.resolve() }
  outcome.settled = command.then(() => { outcome.state = 'answered' }, () => { outcome.state = 'failed' })
  return outcome
}

const server = requireServer(t, await startRedis())
if (server !== null) {
  t.comment(server.kind)
  t.teardown(() => server.stop())

  const start = async (t: Test, redis: Redis, timeout = STORE_TIMEOUT, prefix = prefixOf(t, redis)) => {
    const subject = await serve(t, new RedisStore(redis, { prefix, timeout }), timeout)
    return { ...subject, prefix }
  }

  t.test('while Redis is away, calls are refused at once, and nothing is done later', async t => {
    // With ioredis's default, a queue for commands that cannot be sent.
    const redis = await connect(t, server.url)
    const { app, tickets, prefix } = await start(t, redis, PATIENCE)
    await app.ready()
    const { ticket } = await tickets.issue('alice')
    await server.kill()
    if (redis.status === 'ready') await becomes(redis, 'close')
    const begin = performance.now()
    await Promise.all([
      t.rejects(tickets.issue('bob'), { code: 'WSA_TICKET_ERR_UNAVAILABLE', cause: { message: /^The connection to Redis is not ready: / } }),
      t.rejects(tickets.redeem(ticket), { code: 'WSA_TICKET_ERR_UNAVAILABLE' }),
      t.rejects(tickets.revoke('alice'), { code: 'WSA_TICKET_ERR_UNAVAILABLE' })
    ])
    t.ok(performance.now() - begin < PATIENCE, 'without waiting for the deadline')

    await server.restart()
    if (redis.status !== 'ready') await becomes(redis, 'ready')
    t.equal(await redis.exists(`${prefix}of:bob`), 0, 'no ticket was made')
    t.match(await tickets.redeem(ticket), { subject: 'alice' }, 'none was used up')
  })

  t.test('with the advised options, a pending call fails at once when the connection is lost, and is not sent again', async t => {
    const redis = await connect(t, server.url, ADVISED)
    const { app, tickets } = await start(t, redis, PATIENCE)
    await app.ready()
    const { ticket } = await tickets.issue('alice')
    await server.pause()
    const begin = performance.now()
    const redeemed = tickets.redeem(ticket)
    await Promise.all([server.kill(), t.rejects(redeemed, { code: 'WSA_TICKET_ERR_UNAVAILABLE' })])
    t.ok(performance.now() - begin < PATIENCE, 'without waiting for the deadline')
    await server.restart()
    if (redis.status !== 'ready') await becomes(redis, 'ready')
    t.match(await tickets.redeem(ticket), { subject: 'alice' })
  })

  t.test('a Redis that stands still is disconnected, so that calls do not pile up', async t => {
    const redis = await connect(t, server.url, { ...ADVISED, socketTimeout: STORE_TIMEOUT })
    const { app, tickets } = await start(t, redis)
    await app.ready()
    await tickets.issue('alice')
    await server.pause()
    t.teardown(() => server.resume())
    await Promise.all([becomes(redis, 'close'), t.rejects(tickets.issue('bob'), { code: 'WSA_TICKET_ERR_UNAVAILABLE' })])
    await t.rejects(tickets.issue('bob'), { cause: { message: /^The connection to Redis is not ready: / } })
    server.resume()
    const { ticket } = await eventually(async () => tickets.issue('alice'))
    t.match(await tickets.redeem(ticket), { subject: 'alice' })
  })

  t.test('options of ioredis: what happens to a pending command when Redis is killed', async t => {
    const lost = { autoResendUnfulfilledCommands: false }
    const failed = { maxRetriesPerRequest: 0 }
    const cases: Array<[RedisOptions, found: string, count: string | null]> = [
      [{}, 'answered', '1'],
      [lost, 'pending', null],
      [failed, 'failed', null],
      [{ ...failed, ...lost }, 'failed', null]
    ]
    for (const [options, found, count] of cases) {
      const redis = await connect(t, server.url, options)
      const key = `${prefixOf(t, redis)}count`
      await server.pause()
      const outcome = track(redis.incr(key))
      const closed = becomes(redis, 'close')
      await server.kill()
      await closed
      await server.restart()
      if (redis.status !== 'ready') await becomes(redis, 'ready')
      // ioredis sends it after the commands that it sends again.
      t.equal(await redis.get(key), count, `${JSON.stringify(options)}: ${count === null ? 'not sent again' : 'sent again'}`)
      t.equal(outcome.state, found, found)
    }
  })

  t.test('options of ioredis: only socketTimeout disconnects a Redis that stands still', async t => {
    for (const socketTimeout of [undefined, STORE_TIMEOUT]) {
      const redis = await connect(t, server.url, { maxRetriesPerRequest: 0, ...socketTimeout && { socketTimeout } })
      const key = `${prefixOf(t, redis)}count`
      await server.pause()
      t.teardown(() => server.resume())
      const outcome = track(redis.incr(key))
      if (socketTimeout === undefined) {
        await sleep(2 * STORE_TIMEOUT)
        t.match([redis.status, outcome.state], ['ready', 'pending'], 'the caller learns nothing')
        server.resume()
        t.equal(await redis.get(key), '1', 'executed, although the caller has given up')
      } else {
        await becomes(redis, 'close')
        await outcome.settled
        t.equal(outcome.state, 'failed')
        server.resume()
        if (redis.status !== 'ready') await becomes(redis, 'ready')
      }
    }
  })

  t.test('away when the server starts, with the options that decide when ioredis connects and queues', async t => {
    await server.kill()
    const kinds: RedisOptions[] = [{ lazyConnect: true }, { enableOfflineQueue: false }, { lazyConnect: true, enableOfflineQueue: false }]
    for (const [i, kind] of kinds.entries()) {
      t.comment(JSON.stringify(kind))
      const { redis } = connectTo(server.url, { ...ADVISED, ...kind })
      const store = new RedisStore(redis, { prefix: `away_${i}:`, timeout: STORE_TIMEOUT })
      await testStart(t, server, { store, close: () => redis.disconnect() })
      await server.kill()
    }
    await server.restart()
  })

  t.test('Redis out of memory: 503 for new tickets, while others can be redeemed and revoked', async t => {
    const redis = await connect(t, server.url)
    const { app, tickets, prefix, ask } = await start(t, redis)
    await app.ready()
    const { ticket } = await tickets.issue('alice')
    await tickets.issue('alice')
    t.teardown(() => redis.config('SET', 'maxmemory', '0'))
    await redis.config('SET', 'maxmemory', '1')
    const response = await ask()
    t.equal(response.statusCode, 503)
    t.equal(response.headers['retry-after'], '1')
    await t.rejects(tickets.issue('bob'), { code: 'WSA_TICKET_ERR_UNAVAILABLE', cause: { message: /^OOM / } })
    t.match(await tickets.redeem(ticket), { subject: 'alice' })
    t.equal(await tickets.revoke('alice'), 1)
    t.same(await redis.keys(`${prefix}*`), [], 'no part of a ticket is left')
    await redis.config('SET', 'maxmemory', '0')
    t.equal((await ask()).statusCode, 201)
  })

  t.test('a Redis that may evict is reported when the server starts', async t => {
    const redis = await connect(t, server.url)
    t.teardown(async () => {
      await redis.config('SET', 'maxmemory', '0')
      await redis.config('SET', 'maxmemory-policy', 'noeviction')
    })
    await redis.config('SET', 'maxmemory', '100mb')
    await redis.config('SET', 'maxmemory-policy', 'volatile-lru')
    const { app, lines } = await start(t, redis)
    await app.ready()
    t.match(lines.join(''), /"policy":"volatile-lru".*set maxmemory-policy to noeviction/)
  })

  t.test('a user with no more rights than the store needs', async t => {
    const admin = await connect(t, server.url)
    const prefix = prefixOf(t, admin)
    const commands = '+evalsha +eval +set +get +del +zadd +zrem +zrange +zremrangebyscore +pttl +pexpire +time'
    await admin.acl('SETUSER', 'tickets', 'on', '>of the test', 'resetkeys', `~${prefix}*`, 'nocommands', ...commands.split(' '))
    t.teardown(() => admin.acl('DELUSER', 'tickets'))
    const redis = await connect(t, server.url, { username: 'tickets', password: 'of the test', enableReadyCheck: false, disableClientInfo: true })
    const { app, tickets, lines } = await start(t, redis, STORE_TIMEOUT, prefix)
    await app.ready()
    t.notMatch(lines.join(''), /not ready|noeviction/)
    const { ticket } = await tickets.issue('alice')
    t.ok(await tickets.redeem(ticket))
    await tickets.issue('alice')
    t.equal(await tickets.revoke('alice'), 1)
  })
}
