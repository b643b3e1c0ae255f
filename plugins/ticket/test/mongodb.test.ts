import t from 'tap'
import mongodb from '@fastify/mongodb'
import { findMongo, requireServer } from '@fastify-airlock/test-servers'
import type { Collection } from 'mongodb'
import { testTicketStore } from '../src/contract.js'
import { MongoStore, wsTickets } from '../src/index.js'
import { bare, logged } from './helpers.js'
import { connect, databaseName } from './mongo.js'

const mongo = requireServer(t, await findMongo())
if (mongo !== null) {
  const { kind, url, stop } = mongo
  t.comment(kind)
  t.teardown(stop)

  t.test('contract', async t => {
    const { db } = await connect(t, url)
    let stores = 0
    // The contract knows no deadline: 200 takes at once may be slow on a busy machine.
    testTicketStore(t, { create: () => new MongoStore(db, { collection: `store_${stores++}`, timeout: 30_000 }), bounded: false })
  })

  t.test('through @fastify/mongodb, with indexes made at ready', async t => {
    const app = bare(t)
    await app.register(mongodb, { url, database: databaseName() })
    await app.register(wsTickets, { store: new MongoStore(app.mongo.db), route: false })
    await app.ready()
    const tickets = app.mongo.db?.collection('ws_tickets')
    t.match(await tickets?.indexes(), [
      { key: { _id: 1 } },
      { key: { expiresAt: 1 }, expireAfterSeconds: 0 },
      { key: { subject: 1 } }
    ])
    const { ticket } = await app.wsTickets.issue('alice', { claims: { role: 'admin' } })
    t.match(await app.wsTickets.redeem(ticket), { subject: 'alice', claims: { role: 'admin' } })
    t.equal(await app.wsTickets.redeem(ticket), null)
    await app.mongo.db?.dropDatabase()
  })

  t.test('only hashes and dates are in the database', async t => {
    const { db } = await connect(t, url)
    const app = bare(t)
    await app.register(wsTickets, { store: new MongoStore(db.collection('mine')), route: false })
    await app.ready()
    const issued = await Promise.all(['alice', 'bob', 'carol'].map(subject => app.wsTickets.issue(subject, { reuse: subject === 'bob' })))
    const documents = await db.collection('mine').find().toArray()
    t.equal(documents.length, 3)
    for (const { ticket } of issued) {
      t.notMatch(JSON.stringify(documents), ticket)
      t.ok(await app.wsTickets.redeem(ticket))
    }
    t.ok(documents.every(({ expiresAt }) => expiresAt instanceof Date), 'the TTL index only sweeps dates')
    t.equal(await db.collection('mine').countDocuments(), 1, 'the reusable one is left')
  })

  t.test('an index exists with other options', async t => {
    const { db } = await connect(t, url)
    const collection = db.collection('ws_tickets')
    await collection.createIndex({ expiresAt: 1 }, { expireAfterSeconds: 3_600 })
    await collection.createIndex({ subject: 1 }, { name: 'by_subject' })
    const { lines, options } = logged()
    const app = bare(t, options)
    await app.register(wsTickets, { store: new MongoStore(db), route: false })
    await app.ready()
    const warnings = lines.filter(line => line.includes('No index for tickets'))
    t.equal(warnings.length, 2)
    t.match(warnings[0], 'by hand')
    const { ticket } = await app.wsTickets.issue('alice')
    t.ok(await app.wsTickets.redeem(ticket), 'and all works')
  })

  t.test('a user without the right to create indexes', async t => {
    const { db } = await connect(t, url)
    const collection = db.collection('ws_tickets')
    // Not every server that this runs on has users, so this one answer is put into the server's mouth.
    const restricted: Collection = new Proxy(collection, {
      get: (target, name) => {
        if (name === 'createIndex') {
          return async () => { throw Object.assign(new Error('not authorized on this database'), { code: 13 }) }
        }
        const value: unknown = Reflect.get(target, name, target)
        return typeof value === 'function' ? value.bind(target) : value
      }
    })
    const { lines, options } = logged()
    const app = bare(t, options)
    await app.register(wsTickets, { store: new MongoStore(restricted), route: false })
    await app.ready()
    t.equal(lines.filter(line => line.includes('by hand')).length, 2)
    const { ticket } = await app.wsTickets.issue('alice')
    t.ok(await app.wsTickets.redeem(ticket), 'and all works')
    t.equal((await collection.indexes()).length, 1)
  })

  t.test('two servers on one database honour each other\'s tickets, once', async t => {
    const { db } = await connect(t, url)
    const [a, b] = [bare(t), bare(t)]
    for (const app of [a, b]) {
      await app.register(wsTickets, { store: new MongoStore(db), route: false })
      await app.ready()
    }
    const { ticket } = await a.wsTickets.issue('alice')
    t.match(await b.wsTickets.redeem(ticket), { subject: 'alice' })
    t.equal(await a.wsTickets.redeem(ticket), null)
    await b.wsTickets.issue('alice')
    t.equal(await a.wsTickets.revoke('alice'), 1)
  })
}
