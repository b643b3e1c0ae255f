import t, { type Test } from 'tap'
import { requireServer, startRedis, type RedisServer } from '@fastify-airlock/test-servers'
import { Redis } from 'ioredis'
import mqemitterRedis from 'mqemitter-redis'

import { type ContractTest, testHubBus } from '../src/contract.js'
import { ContractSocket, openHubs } from '../src/contract/nodes.js'
import { build, twoNodes, until } from './helpers.js'

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

  await t.test('subscribers are cut off again and again, and are back before a beat', async t => {
    const client = open(t)
    const [a, b] = await openHubs(t, t => connect(t, redis.url), { busBeat: 2_000 })
    const after: ContractSocket[] = []
    for (let round = 0; round < 30; round++) {
      const socket = new ContractSocket(b, `user ${round}`)
      socket.once('close', () => { after.push(new ContractSocket(b, `user ${round}`)) })
      if (round % 2 === 0) await client.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
      a.disconnect(`user ${round}`)
      if (round % 2 === 1) await client.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
      await until(() => socket.closed !== null)
    }
    await until(async () => (await a.disconnectAll('nobody')).nodes === 2)
    t.equal(after.filter(({ closed }) => closed !== null).length, 0, 'later logins stay')
  })
}
