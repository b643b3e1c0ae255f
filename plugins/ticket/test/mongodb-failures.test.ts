import t, { type Test } from 'tap'
import { inspect } from 'node:util'
import { setTimeout as sleep } from 'node:timers/promises'
import { requireServer, startMongo } from '@fastify-airlock/test-servers'
import { MongoClient } from 'mongodb'
import { MongoStore } from '../src/index.js'
import { build, logged, signedIn } from './helpers.js'
import { databaseName } from './mongo.js'

const POST = { method: 'POST', url: '/ws/ticket' } as const
const STORE_TIMEOUT = 500
const TICKETS = 300
// Of a machine that does much else at the time.
const PATIENCE = 10_000

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

  t.test('killed in the middle of redemptions, and back', async t => {
    const { app, tickets } = await start(t, PATIENCE)
    await app.ready()
    const issued: string[] = []
    while (issued.length < TICKETS) {
      const batch = await Promise.all(Array.from({ length: 20 }, () => tickets.issue('alice', { ttl: 900_000 })))
      issued.push(...batch.map(({ ticket }) => ticket))
    }

    const redeemed = new Set<string>()
    const failed = new Set<string>()
    let killed: Promise<void> | undefined
    let next = 0
    const begin = performance.now()
    await Promise.all(Array.from({ length: 20 }, async () => {
      // A few more after the first failure, so that calls to a server that is gone are among them.
      while (next < issued.length && failed.size < 50) {
        const ticket = issued[next++] as string
        try {
          if (await tickets.redeem(ticket) !== null) redeemed.add(ticket)
          if (redeemed.size >= 100) killed ??= mongo.kill()
        } catch (error) {
          t.match(error, { code: 'WSA_TICKET_ERR_UNAVAILABLE', statusCode: 503, retryAfter: 1 })
          failed.add(ticket)
        }
      }
    }))
    await killed
    t.ok(failed.size > 0, `${redeemed.size} redeemed, ${failed.size} failed`)
    t.ok(performance.now() - begin < PATIENCE * 4, 'nothing hung')

    await mongo.restart()
    await eventually(async () => tickets.issue('alice'))
    let again = 0
    for (const ticket of issued) {
      const good = await tickets.redeem(ticket) !== null
      if (good && redeemed.has(ticket)) again++
      if (!good && !redeemed.has(ticket) && !failed.has(ticket)) t.fail('a ticket that nobody redeemed is gone')
    }
    t.equal(again, 0, 'what was redeemed before is not good again')
  })

  t.test('paused: 503 within the deadline, and it works again by itself', async t => {
    const { app, tickets, ask } = await start(t)
    await app.ready()
    const { ticket } = await tickets.issue('alice')
    t.equal((await ask()).statusCode, 201)

    await mongo.pause()
    t.teardown(() => mongo.resume())
    const begin = performance.now()
    const [response] = await Promise.all([
      ask(),
      // More than the pool has connections.
      ...Array.from({ length: 150 }, () => t.rejects(tickets.redeem(ticket), { code: 'WSA_TICKET_ERR_UNAVAILABLE', statusCode: 503 })),
      t.rejects(tickets.revoke('alice'), { code: 'WSA_TICKET_ERR_UNAVAILABLE' })
    ])
    const elapsed = performance.now() - begin
    t.equal(response.statusCode, 503)
    t.equal(response.headers['retry-after'], '1')
    t.equal(response.json().code, 'WSA_TICKET_ERR_UNAVAILABLE')
    t.ok(elapsed < STORE_TIMEOUT + PATIENCE, `${Math.round(elapsed)} ms`)

    mongo.resume()
    const issued = await eventually(async () => tickets.issue('alice'))
    t.match(await tickets.redeem(issued.ticket), { subject: 'alice' })
    t.equal((await ask()).statusCode, 201)
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

async function eventually<T> (attempt: () => Promise<T>): Promise<T> {
  const until = performance.now() + PATIENCE * 2
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      if (performance.now() > until) throw new Error(`still failing: ${inspect(error)}`)
      await sleep(100)
    }
  }
}
