import t, { type Test } from 'tap'
import { requireServer, startRedis, type RedisServer } from '@fastify-airlock/test-servers'
import mqemitterRedis from 'mqemitter-redis'
import { busContract, twoNodes } from './bus-contract.js'
import { settle, until } from './helpers.js'

const redis = requireServer(t, await startRedis())
if (redis !== null) {
  t.comment(redis.kind)
  t.teardown(() => redis.stop())
  await suite(redis)
}

/** A node's own connections to Redis. */
function connect (t: Test, url: string) {
  const bus = mqemitterRedis({ connectionString: url })
  t.teardown(() => new Promise<void>(resolve => bus.close(resolve)))
  return bus
}

async function suite (redis: RedisServer) {
  await t.test('contract', async t => {
    await busContract(t, () => t => connect(t, redis.url))
  })

  await t.test('Redis goes and comes back', async t => {
    const [a, b] = await twoNodes(t, t => connect(t, redis.url), { busBeat: 400 })
    const here = await a.pair('/ws?subject=here')
    const there = await b.pair('/ws?subject=there')
    const leaver = await b.pair('/ws?subject=leaver')
    for (const [{ hub }, { socket }] of [[a, here], [b, there]] as const) {
      hub.join(socket, 'before')
      hub.join(socket, 'pattern/+', { wildcard: true })
    }
    t.ok(await b.hub.subscribed())

    await redis.kill()
    t.equal(a.hub.publish('before', 'lost'), 1)
    await until(() => [a, b].every(({ hub }) => hub.health().bus === 'down'))
    t.equal(a.hub.health().status, 'degraded')
    b.hub.join(there.socket, 'meanwhile')
    t.equal(a.hub.publish('before', 'local'), 1, 'own clients are served')
    t.equal(a.hub.disconnect('leaver'), 0)
    await settle(here.client)
    t.strictSame(here.messages, ['lost', 'local'])
    t.equal(b.hub.count(), 2)

    await redis.restart()
    await until(() => [a, b].every(({ hub }) => hub.health().bus === 'up'))
    t.ok(await b.hub.subscribed())
    await until(() => b.hub.count() === 1)
    t.equal(leaver.client.readyState, 3, 'what was owed is done')
    for (const topic of ['before', 'meanwhile', 'pattern/x']) a.hub.publish(topic, topic)
    for (let number = 0; number < 20; number++) a.hub.publish('before', `${number}`)
    a.hub.broadcast('the end')
    await until(() => there.messages.at(-1) === 'the end')
    // The one of the moment of the crash may still have come: it was on its way.
    const late = there.messages[0] === 'lost' ? 1 : 0
    t.strictSame(there.messages.slice(late), [
      'before', 'meanwhile', 'pattern/x', ...Array.from({ length: 20 }, (_, number) => `${number}`), 'the end'
    ], 'each once and in order')
  })

  await t.test('Redis stands still for a while', async t => {
    const [a, b] = await twoNodes(t, t => connect(t, redis.url), { busBeat: 400 })
    const { socket, messages } = await b.pair()
    b.hub.join(socket, 'news')
    t.ok(await b.hub.subscribed())

    await redis.pause()
    a.hub.publish('news', 'late')
    await until(() => [a, b].every(({ hub }) => hub.health().bus === 'down'))
    a.hub.publish('news', 'lost')
    redis.resume()
    await until(() => [a, b].every(({ hub }) => hub.health().bus === 'up'))
    t.ok(await b.hub.subscribed())
    a.hub.publish('news', 'in time')
    await until(() => messages.at(-1) === 'in time')
    t.strictSame(messages, ['late', 'in time'])
  })
}
