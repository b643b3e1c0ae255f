import t, { type Test } from 'tap'
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { requireServer, startRedis, type RedisServer } from '@fastify-airlock/test-servers'
import { Redis, type RedisOptions } from 'ioredis'
import { type ContractTest, testConnectionCounter } from '../src/contract.js'
import { ContractSocket } from '../src/contract/nodes.js'
import { RedisConnectionCounter } from '../src/counters/redis.js'
import { Hub } from '../src/hub.js'
import { parseHubOptions } from '../src/options.js'
import { until } from './helpers.js'

const LONG = 600_000

t.test('options', async t => {
  const redis = { status: 'ready', isCluster: false, evalsha: async () => {}, eval: async () => {} }
  for (const [client, options] of [[{}, {}], ['redis://', {}], [redis, { prefix: '' }], [redis, { other: 1 }], [{ ...redis, isCluster: true }, {}], [{ ...redis, isCluster: true }, { prefix: 'x{}:' }]]) {
    t.throws(() => new RedisConnectionCounter(client as never, options as never), { code: 'WSA_HUB_ERR_OPTION' })
  }
  t.doesNotThrow(() => new RedisConnectionCounter({ ...redis, isCluster: true }, { prefix: '{ws:places}:' }))
  for (const status of ['connecting', 'reconnecting', 'end']) {
    await t.rejects(new RedisConnectionCounter({ ...redis, status }).begin('a', null, 1), { message: `The connection to Redis is not ready: ${status}` })
  }
})

const redis = requireServer(t, await startRedis())
if (redis !== null) {
  t.comment(redis.kind)
  t.teardown(() => redis.stop())
  await suite(redis)
}

async function suite (server: RedisServer) {
  /** A node's own connection. */
  const connect = async (t: Pick<ContractTest, 'teardown'>, options: RedisOptions = {}): Promise<Redis> => {
    const client = new Redis(server.url, { maxRetriesPerRequest: 0, socketTimeout: 5_000, retryStrategy: () => 50, ...options })
    client.on('error', () => {})
    t.teardown(() => client.disconnect())
    if (client.status !== 'ready') await new Promise<void>(resolve => client.once('ready', () => resolve()))
    return client
  }
  const newPrefix = (): string => `places-${randomBytes(6).toString('hex')}:`

  await t.test('contract', async t => {
    for (const keyPrefix of ['', 'app:']) {
      testConnectionCounter(t, {
        create: async t => {
          const prefix = newPrefix()
          return [new RedisConnectionCounter(await connect(t, { keyPrefix }), { prefix }), new RedisConnectionCounter(await connect(t, { keyPrefix }), { prefix })]
        },
        forget: async () => { await (await connect(t)).flushall() }
      })
    }
  })

  await t.test('no name of a user is in Redis, and what nobody keeps ends by itself', async t => {
    const client = await connect(t)
    await client.flushall()
    const counter = new RedisConnectionCounter(client)
    await counter.begin('a', null, 1_000)
    await counter.take('a', { subject: 'alice', id: '1' }, 1, false)
    await counter.keep('a', [{ subject: 'bob', id: '2', age: 0 }])
    const keys = await client.keys('*')
    t.equal(keys.length, 3)
    t.ok(keys.every(key => key.startsWith('ws:places:') && !/alice|bob/.test(key)))
    for (const key of keys) t.ok(await client.pttl(key) > 0, 'it ends')
    await counter.release('a', { subject: 'alice', id: '1' })
    await counter.end('a')
    t.equal((await client.keys('*')).length, 1, 'what is given back is gone')
  })

  await t.test('the clock of Redis alone counts', async t => {
    const client = await connect(t)
    const counter = new RedisConnectionCounter(client, { prefix: newPrefix() })
    await counter.begin('a', null, LONG)
    const { now } = Date
    t.teardown(() => { Date.now = now })
    for (const [id, ahead] of [['1', 3_600_000], ['2', -3_600_000]] as const) {
      Date.now = () => now() + ahead
      await counter.take('a', { subject: 'alice', id }, 2, true)
      await sleep(5)
    }
    t.same(await counter.take('a', { subject: 'alice', id: '3' }, 2, true), { place: 'taken', replaced: ['1'] })
  })

  await t.test('another error than a forgotten script is one', async t => {
    const client = await connect(t)
    const prefix = newPrefix()
    const counter = new RedisConnectionCounter(client, { prefix })
    await client.hset(`${prefix}life:a`, 'x', '1')
    await client.script('FLUSH')
    t.equal(await counter.renew('a', 1_000), true, 'it is sent again')
    await counter.begin('b', null, 1_000)
    await client.config('SET', 'maxmemory', '1')
    t.teardown(() => client.config('SET', 'maxmemory', '0'))
    await t.rejects(counter.take('b', { subject: 'alice', id: '1' }, 1, false), { message: /OOM/ })
    await client.config('SET', 'maxmemory', '0')
  })

  /** Hubs that count together, and what they have said. */
  const openHubs = async (t: Test, beat: number) => {
    const prefix = newPrefix()
    const said: string[] = []
    const log = { error () {}, info: (text: string) => said.push(text), warn: (_: object, text: string) => said.push(text) } as never
    const open = async (): Promise<Hub> => {
      const connectionCounter = new RedisConnectionCounter(await connect(t), { prefix })
      const hub = new Hub(parseHubOptions({ connectionCounter, maxConnectionsPerSubject: 2, busBeat: beat }), log)
      t.teardown(() => hub.close())
      await until(() => hub.health().counter === 'up')
      return hub
    }
    return { hubs: [await open(), await open()] as [Hub, Hub], said }
  }
  const closedLate = async (socket: ContractSocket): Promise<void> => {
    await until(() => socket.closed !== null)
    t.same(socket.closed, [4429, 'too many connections'])
  }

  await t.test('two nodes at once at the limit', async t => {
    const { hubs: [a, b] } = await openHubs(t, LONG)
    for (let round = 0; round < 20; round++) {
      const sockets = [a, b, a, b].map(hub => new ContractSocket(hub, `user ${round}`))
      await until(() => sockets.filter(({ closed }) => closed !== null).length === 2)
    }
    await until(() => (a.stats.counter?.taken ?? 0) + (b.stats.counter?.taken ?? 0) === 40)
    t.equal((a.stats.counter?.refused ?? 0) + (b.stats.counter?.refused ?? 0), 40)
  })

  for (const [name, happen, isLoss] of [
    ['emptied', async (client: Redis) => { await client.flushall() }, false],
    ['killed and restarted', async (_client, hubs) => {
      await server.kill()
      await until(() => hubs.every(hub => hub.health().counter === 'down'))
      await server.restart()
      await until(() => hubs.every(hub => hub.health().counter === 'up'))
    }, true],
    ['paused', async () => {
      await server.pause()
      await sleep(100)
      server.resume()
    }, false]
  ] as Array<[string, (client: Redis, hubs: Hub[]) => Promise<void>, boolean]>) {
    await t.test(`Redis is ${name}`, async t => {
      const { hubs, said } = await openHubs(t, 100)
      const [a, b] = hubs
      const sockets = [a, b].map(hub => new ContractSocket(hub, 'alice'))
      await until(() => hubs.every(hub => hub.stats.counter?.taken === 1))
      await happen(await connect(t), hubs)
      // Whatever it has forgotten, it has been told again by now.
      await until(async () => {
        const one = new ContractSocket(b, 'alice')
        const { taken, refused } = b.stats.counter as { taken: number, refused: number }
        // One that comes while the counter is told of all is counted with them, and in no figure.
        let looks = 0
        await until(() => ++looks > 50 || b.health().counter === 'down' || b.stats.counter?.taken !== taken || b.stats.counter?.refused !== refused)
        const isRefused = b.stats.counter?.refused !== refused
        one.terminate()
        await sleep(20)
        return isRefused
      })
      await closedLate(new ContractSocket(a, 'alice'))
      t.same(sockets.map(({ closed }) => closed), [null, null], 'those that were there stay')
      if (isLoss) {
        t.same([...new Set(said)].sort(), ['the hub cannot count connections over all nodes: the limit of this node applies', 'the hub counts connections over all nodes again'])
      }
    })
  }
}
