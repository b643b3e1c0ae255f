import t, { type Test } from 'tap'
import { randomBytes } from 'node:crypto'
import { requireServer, startMongo, type MongoServer } from '@fastify-airlock/test-servers'
import mqemitterMongodb from 'mqemitter-mongodb'
import type { HubBus } from '../src/index.js'
import { busContract, twoNodes } from './bus-contract.js'
import { settle, until } from './helpers.js'

const mongo = requireServer(t, await startMongo())
if (mongo !== null) {
  t.comment(mongo.kind)
  t.teardown(() => mongo.stop())
  await suite(mongo)
}

async function suite (mongo: MongoServer) {
  /** A database for the nodes of one test, and a connection of its own for each of them. */
  const create = () => {
    const url = `${mongo.url}/airlock_${randomBytes(6).toString('hex')}`
    return (t: Test): HubBus => {
      const bus = mqemitterMongodb({ url })
      t.teardown(() => new Promise<void>(resolve => bus.close(() => resolve())))
      return bus
    }
  }

  // A collection that was made just before a crash may be gone after it: this one is used last.
  const settled = create()
  await t.test('made early', async t => {
    await twoNodes(t, settled)
  })

  await t.test('contract', async t => {
    await busContract(t, create)
  })

  await t.test('MongoDB goes and comes back', async t => {
    // A stand-in for MongoDB may hold a message back for a second.
    const [a, b] = await twoNodes(t, settled, { busBeat: 1_500 })
    const here = await a.pair('/ws?subject=here')
    const there = await b.pair('/ws?subject=there')
    a.hub.join(here.socket, 'news')
    b.hub.join(there.socket, 'news')
    t.ok(await b.hub.subscribed())

    await mongo.kill()
    t.equal(a.hub.publish('news', 'lost'), 1)
    await until(() => [a, b].every(({ hub }) => hub.health().bus === 'down'))
    t.equal(a.hub.publish('news', 'local'), 1, 'own clients are served')
    await settle(here.client)
    t.strictSame(here.messages, ['lost', 'local'])

    await mongo.restart()
    await until(() => [a, b].every(({ hub }) => hub.health().bus === 'up'))
    for (let number = 0; number < 20; number++) a.hub.publish('news', `${number}`)
    a.hub.broadcast('the end')
    await until(() => there.messages.at(-1) === 'the end')
    const late = there.messages[0] === 'lost' ? 1 : 0
    t.strictSame(there.messages.slice(late), [
      ...Array.from({ length: 20 }, (_, number) => `${number}`), 'the end'
    ], 'each once and in order')
  })
}
