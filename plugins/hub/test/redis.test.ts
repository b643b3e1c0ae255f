import t from 'tap'
import { requireServer, startRedis, type RedisServer } from '@fastify-airlock/test-servers'
import mqemitterRedis from 'mqemitter-redis'

import { type ContractTest, testHubBus } from '../src/contract.js'
import { twoNodes, until } from './helpers.js'

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
}
