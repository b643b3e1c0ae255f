import { findMongo, requireServer, startMongo } from '@fastify-airlock/test-servers'
import { randomUUID } from 'node:crypto'
import t from 'tap'
import { shareCollections } from '../src/internals.js'
import { build, getTicket, http, listen, login } from './helpers.js'
import { connected, nodesContract } from './nodes.js'

/** A database that no other test uses. */
function database (url: string): string {
  const { origin, search } = new URL(url.replace('mongodb:', 'http:'))
  return `${origin.replace('http:', 'mongodb:')}/airlock-demo-${randomUUID()}${search}`
}

t.test('tickets and the bus in MongoDB', async t => {
  const mongo = requireServer(t, await findMongo())
  if (mongo === null) return
  t.teardown(() => mongo.stop())
  const MONGODB_URL = database(mongo.url)
  await nodesContract(t, { MONGODB_URL, BUS_URL: MONGODB_URL })

  const { app, origin } = await listen(t, { MONGODB_URL })
  const ticket = await getTicket(origin, await login(origin, 'bob'))
  const stored = await app.mongo.db?.collection('ws_tickets').find().toArray()
  t.equal(stored?.length, 1)
  t.notOk(JSON.stringify(stored).includes(ticket), 'only its hash is in the database')
  await app.mongo.db?.dropDatabase()
})

t.test('the bus is away at start, then comes', async t => {
  const mongo = requireServer(t, await startMongo())
  if (mongo === null) return
  t.teardown(() => mongo.stop())
  await mongo.kill()

  // Both look for the collection at once, and find none.
  const BUS_URL = database(mongo.url)
  const nodes = await Promise.all([listen(t, { BUS_URL }), listen(t, { BUS_URL })])
  for (const { origin } of nodes) {
    t.match(await http('GET', `${origin}/healthz`), { status: 200, body: { status: 'degraded', bus: 'down' } })
  }
  await mongo.restart()
  await connected(nodes)
})

t.test('another node creates the collection first', async t => {
  const collection = {}
  const fake = (code: number) => {
    const db: any = {
      collection: (name: string) => name === 'ws_bus' && collection,
      createCollection: async () => { throw Object.assign(new Error('no'), { code }) }
    }
    shareCollections(db)
    return db
  }
  t.equal(await fake(48).createCollection('ws_bus'), collection)
  await t.rejects(fake(13).createCollection('ws_bus'), { code: 13 }, 'any other error is thrown')
})

t.test('a bus that never comes does not keep the app from closing', async t => {
  const { app } = await build(t, { BUS_URL: 'mongodb://127.0.0.1:9/airlock', LOG_LEVEL: 'silent' })
  await app.ready()
  await app.close()
})

t.test('the database is away at start, comes, and goes away again', async t => {
  const mongo = requireServer(t, await startMongo())
  if (mongo === null) return
  t.teardown(() => mongo.stop())
  await mongo.kill()

  const { app } = await build(t, { MONGODB_URL: database(mongo.url), LOG_LEVEL: 'silent' })
  await app.ready()
  const { token } = (await app.inject({ method: 'POST', url: '/login', payload: { username: 'alice', password: 'wonderland' } })).json()
  t.type(token, 'string', 'sessions need no database')
  const ask = () => app.inject({ method: 'POST', url: '/ws/ticket', cookies: { session: token } })
  const untilItWorks = async () => {
    const deadline = Date.now() + 30_000
    while ((await ask()).statusCode !== 201) {
      if (Date.now() > deadline) throw new Error('still no ticket')
    }
  }
  const refusedInTime = async () => {
    const start = performance.now()
    const response = await ask()
    t.equal(response.statusCode, 503)
    t.equal(response.json().code, 'WSA_TICKET_ERR_UNAVAILABLE')
    t.ok(Number(response.headers['retry-after']) > 0)
    t.ok(performance.now() - start < 25_000)
  }

  await refusedInTime()
  await mongo.restart()
  await untilItWorks()
  await mongo.kill()
  await refusedInTime()
  await mongo.restart()
  await untilItWorks()
})
