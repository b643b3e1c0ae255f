import t, { type Test } from 'tap'
import { requireServer, startRedis, type RedisServer } from '@fastify-airlock/test-servers'
import { Redis } from 'ioredis'
import mqemitterRedis from 'mqemitter-redis'

import { type ContractTest, testHubBus } from '../src/contract.js'
import { build, twoNodes, until } from './helpers.js'
import { storm } from './storm.js'

const redis = requireServer(t, await startRedis())
if (redis !== null) {
  t.comment(redis.kind)
  t.teardown(() => redis.stop())
  await suite(redis)
}

/** A node's own connections to Redis. */
function connect (t: Pick<ContractTest, 'teardown'>, url: string) {
  const bus = mqemitterRedis({ connectionString: url })
  t.teardown(() => new Promise<void>(resolve => bus.close(resolve)))
  return bus
}

async function suite (redis: RedisServer) {
  await t.test('contract', async t => {
    testHubBus(t, {
      create: () => t => connect(t, redis.url),
      interruption: { lose: () => redis.kill(), regain: () => redis.restart() }
    })
  })

  await t.test('Redis is paused for a while', async t => {
    const [a, b] = await twoNodes(t, t => connect(t, redis.url), { busBeat: 400 })
    const { socket, messages } = await b.pair()
    b.hub.join(socket, 'news')
    t.ok(await b.hub.busReady())

    await redis.pause()
    a.hub.publish('news', 'late')
    await until(() => [a, b].every(({ hub }) => hub.health().bus === 'down'))
    a.hub.publish('news', 'lost')
    redis.resume()
    await until(() => [a, b].every(({ hub }) => hub.health().bus === 'up'))
    t.ok(await b.hub.busReady())
    a.hub.publish('news', 'in time')
    await until(() => messages.at(-1) === 'in time')
    t.strictSame(messages, ['late', 'in time'])
  })

  /** For commands of the test itself. */
  const open = (t: Test): Redis => {
    const client = new Redis(redis.url, { maxRetriesPerRequest: null })
    client.on('error', () => {})
    t.teardown(() => client.disconnect())
    return client
  }

  await t.test('a hub that is registered at any moment while its connection is made', async t => {
    const client = open(t)
    for (let moment = 0; moment < 30; moment++) {
      const busPrefix = `moment-${moment}`
      const bus = connect(t, redis.url)
      await new Promise(resolve => setTimeout(resolve, moment % 11))
      const { app, hub } = await build(t, { hub: { bus, busPrefix } })
      await until(() => hub.health().bus === 'up')
      const found = await client.pubsub('CHANNELS', `${busPrefix}/*`) as string[]
      t.strictSame(found.map(name => name.split('/')[1]).sort(), ['beat', 'broadcast', 'disconnect', 'node', 'return'], `${moment} ms`)
      // At any moment of the start as well: it ends no process.
      await app.close()
    }
    const unready = await Promise.all(Array.from({ length: 11 }, async (_, moment) => {
      const bus = connect(t, redis.url)
      await new Promise(resolve => setTimeout(resolve, moment))
      const { app } = await build(t, { hub: { bus } })
      await app.close()
    }))
    t.equal(unready.length, 11, 'closed before they were up')
  })

  await t.test('subscribers are cut off while 1,000 orders are given', async t => {
    const client = open(t)
    await storm(t, {
      connect: t => connect(t, redis.url),
      cut: () => client.call('CLIENT', 'KILL', 'TYPE', 'pubsub'),
      orders: 1_000,
      every: 2,
      between: 300
    })
  })

  await t.test('Redis stands still, or is gone, while orders are given', async t => {
    let kills = 0
    await storm(t, {
      connect: t => connect(t, redis.url),
      async cut () {
        const gone = kills++ % 2 === 0
        if (gone) await redis.kill()
        else await redis.pause()
        await new Promise(resolve => setTimeout(resolve, 10 + Math.random() * 800))
        if (gone) await redis.restart()
        else redis.resume()
      },
      orders: 300,
      every: 8,
      between: 400
    })
  })
}
