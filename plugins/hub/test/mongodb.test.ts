import t from 'tap'
import { randomBytes } from 'node:crypto'
import { requireServer, startMongo, type MongoServer } from '@fastify-airlock/test-servers'
import mqemitterMongodb from 'mqemitter-mongodb'
import type { HubBus } from '../src/index.js'

import { type ContractTest, testHubBus } from '../src/contract.js'
import { twoNodes } from './helpers.js'

const mongo = requireServer(t, await startMongo())
if (mongo !== null) {
  t.comment(mongo.kind)
  t.teardown(() => mongo.stop())
  await suite(mongo)
}

async function suite (mongo: MongoServer) {
  /** A database for one test; each node has its own connection to it. */
  const create = () => {
    const url = `${mongo.url}/airlock_${randomBytes(6).toString('hex')}`
    return (t: Pick<ContractTest, 'teardown'>): HubBus => {
      const bus = mqemitterMongodb({ url })
      t.teardown(() => new Promise<void>(resolve => bus.close(() => resolve())))
      return bus
    }
  }

  // A collection that was made just before a crash may be gone after it, so this one is used last.
  const settled = create()
  await t.test('a database is made early', async t => {
    await twoNodes(t, settled)
  })

  await t.test('contract', async t => {
    testHubBus(t, {
      create: ({ interrupted }) => interrupted ? settled : create(),
      interruption: { lose: () => mongo.kill(), regain: () => mongo.restart() },
      // A stand-in for MongoDB may hold a message back for a second.
      beat: 1_500
    })
  })
}
