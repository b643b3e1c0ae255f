import t, { type Test } from 'tap'
import { inspect } from 'node:util'
import { requireServer, startMongo } from '@fastify-airlock/test-servers'
import { MongoClient } from 'mongodb'
import { MongoStore } from '../src/index.js'
import { build, logged, signedIn } from './helpers.js'
import { databaseName } from './mongo.js'
import { eventually, PATIENCE, STORE_TIMEOUT, testOutages } from './outage.js'

const POST = { method: 'POST', url: '/ws/ticket' } as const

const mongo = requireServer(t, await startMongo())
if (mongo !== null) {
  t.comment(mongo.kind)
  t.teardown(() => mongo.stop())

  const start = async (t: Test, timeout = STORE_TIMEOUT) => {
    const { lines, options } = logged()
    const client = new MongoClient(mongo.url, { serverSelectionTimeoutMS: 1_000, heartbeatFrequencyMS: 500 })
    t.teardown(() => client.close())
    const db = client.db(databaseName())
    const store = new MongoStore(db, { timeout })
    const app = await build(t, { store, storeTimeout: timeout }, options)
    const request = { ...POST, headers: signedIn(app) }
    return { app, tickets: app.wsTickets, db, ask: () => app.inject(request), lines }
  }

  testOutages(t, mongo, async (t, timeout) => {
    const subject = await start(t, timeout)
    await subject.app.ready()
    return subject
  })

  t.test('an operation that was abandoned before it left is never sent', async t => {
    const { app, db, tickets } = await start(t)
    await app.ready()
    await tickets.issue('alice')
    await mongo.pause()
    t.teardown(() => mongo.resume())
    // Sequential, so that all but the first find no connection.
    for (let i = 0; i < 3; i++) await t.rejects(tickets.issue('bob'), { code: 'WSA_TICKET_ERR_UNAVAILABLE' })
    mongo.resume()
    await eventually(async () => tickets.issue('carol'))
    t.ok(await db.collection('ws_tickets').countDocuments({ subject: 'bob' }) < 3)
  })

  t.test('away when the server starts: it starts, refuses, and makes its indexes later', async t => {
    await mongo.kill()
    const { app, tickets, db, ask, lines } = await start(t)
    const begin = performance.now()
    await app.ready()
    t.ok(performance.now() - begin < PATIENCE, 'the server starts')
    t.match(lines.join(''), 'The ticket store is not ready')
    const response = await ask()
    t.equal(response.statusCode, 503)
    t.equal(response.headers['retry-after'], '1')

    // By now the driver has given up its first attempt to connect.
    await eventually(async () => {
      const error: unknown = await tickets.issue('alice').catch((error: unknown) => error)
      if (!inspect(error).includes('Topology is closed')) throw error
    })
    await mongo.restart()
    await eventually(async () => tickets.issue('alice'))
    await eventually(async () => {
      const indexes = await db.collection('ws_tickets').indexes()
      if (indexes.length !== 3) throw new Error(`${indexes.length} indexes`)
    })
    t.equal((await ask()).statusCode, 201)
  })
}
