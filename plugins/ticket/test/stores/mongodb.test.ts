import t from 'tap'
import { inspect } from 'node:util'
import mongodb from '@fastify/mongodb'
import { type Collection, type Db, MongoClient } from 'mongodb'
import { testTicketStore } from '../../src/contract.js'
import { type StoreLog, wsTickets } from '../../src/index.js'
import { MongoStore } from '../../src/stores/mongodb.js'
import { bare, logged, record } from '../helpers.js'
import { fakeCollection } from './fake-collection.js'
import { testMixed } from './mixed.js'
import { connect } from './mongodb.js'
import { oldMongo } from './old.js'
import { eventually, serve, STORE_TIMEOUT } from './outages.js'
import { spaceName } from './rows.js'
import { testStore } from './suite.js'

function log (): StoreLog & { lines: string[] } {
  const lines: string[] = []
  return { lines, warn: (details, message) => { lines.push(`${JSON.stringify(details)} ${message}`) } }
}

t.test('contract, on a stand-in for a collection', async t => {
  testTicketStore(t, { create: () => new MongoStore(fakeCollection()), bounded: false })
})

t.test('given a database, the store uses the named collection', async t => {
  const names: string[] = []
  const db = { collection: (name: string) => { names.push(name); return fakeCollection() } } as unknown as Db
  t.ok(new MongoStore(db))
  t.ok(new MongoStore(db, { collection: 'mine' }))
  t.same(names, ['ws_tickets', 'mine'])
})

t.test('a wrong option', async t => {
  for (const options of [{ collection: '' }, { timeout: 0 }, { colection: 'x' }]) {
    t.throws(() => new MongoStore(fakeCollection(), options), { code: 'WSA_TICKET_ERR_OPTION' }, JSON.stringify(options))
  }
  t.throws(() => new MongoStore(undefined), { code: 'WSA_TICKET_ERR_OPTION', message: /names no database/ })
})

t.test('an index that cannot be created is reported once, with the cure, and the other one is created', async t => {
  for (const code of [13, 85, 86]) {
    const asked: string[] = []
    const { lines, warn } = log()
    const store = new MongoStore(fakeCollection(async key => {
      asked.push(Object.keys(key).join())
      if ('expiresAt' in key) throw Object.assign(new Error('not now'), { code })
      return 'name'
    }))
    await store.ready({ warn })
    await store.put('one', record())
    t.same(asked, ['expiresAt', 'subject'], 'not tried again')
    t.equal(lines.length, 1)
    t.match(lines[0], '{"expiresAt":1} with {"expireAfterSeconds":0} on db.fake by hand')
  }
})

t.test('if the database was away, the indexes are created when it is back', async t => {
  const asked: string[] = []
  let away = true
  const store = new MongoStore(fakeCollection(async key => {
    asked.push(Object.keys(key).join())
    if (away) throw new Error('away')
    return 'name'
  }))
  await t.rejects(store.ready(log()), { message: 'away' })
  await store.put('one', record())
  t.same(asked, ['expiresAt', 'expiresAt'], 'tried again, and the ticket was kept')
  away = false
  await store.put('two', record())
  await store.put('three', record())
  t.same(asked.slice(2), ['expiresAt', 'subject'])
})

t.test('without a logger there is no warning', async t => {
  const asked: string[] = []
  const store = new MongoStore(fakeCollection(async key => {
    asked.push(Object.keys(key).join())
    throw Object.assign(new Error('no'), { code: 13 })
  }))
  await store.put('one', record())
  await store.put('two', record())
  t.same(asked, ['expiresAt', 'subject'])
})

t.test('another error of an insert is passed on', async t => {
  const error = new Error('socket hang up')
  const store = new MongoStore(Object.assign(fakeCollection(), { insertOne: async () => { throw error } }))
  await t.rejects(store.put('one', record()), error)
})

t.test('only a client whose first connection failed is connected again', async t => {
  let connects = 0
  const broken = Object.assign(new Error('Topology is closed'), { name: 'MongoTopologyClosedError' })
  const db = { client: { connect: async () => { connects++; throw new Error('still away') } } }
  const collection = fakeCollection()
  const { insertOne } = collection
  const fail = async (): Promise<never> => { throw broken }

  const store = new MongoStore(Object.assign(collection, { db, insertOne: fail }))
  await t.rejects(store.put('one', record()), broken)
  t.equal(connects, 1)
  Object.assign(collection, { insertOne })
  await store.put('one', record())
  Object.assign(collection, { insertOne: fail })
  await t.rejects(store.put('two', record()), broken)
  t.equal(connects, 1, 'a client that was connected before has been closed on purpose')

  const closed = new MongoStore(collection)
  const late = closed.put('one', record())
  closed.close()
  await t.rejects(late, broken)
  t.equal(connects, 1, 'a closed store does not connect')
})

const servers = await testStore(t, 'mongodb', {
  // Waits until the driver has given up its first attempt to connect.
  away: async ({ tickets }) => await eventually(async () => {
    const error: unknown = await tickets.issue('alice').catch((error: unknown) => error)
    if (!inspect(error).includes('Topology is closed')) throw error
  }),
  // Its indexes have been created.
  back: async (url, space) => {
    const client = new MongoClient(url)
    await eventually(async () => {
      const indexes = await client.db(space).collection('ws_tickets').indexes()
      if (indexes.length !== 3) throw new Error(`${indexes.length} indexes`)
    })
    await client.close()
  }
})
if (servers !== null) {
  const { url, own } = servers

  t.test('through @fastify/mongodb, with indexes created at ready', async t => {
    const app = bare(t)
    await app.register(mongodb, { url, database: spaceName() })
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

  t.test('beside nodes of the version before', async t => {
    const { db } = await connect(t, url)
    await testMixed(t, new MongoStore(db, { timeout: 30_000 }), oldMongo(db.collection('ws_tickets')))
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
    t.ok(documents.every(({ expiresAt }) => expiresAt instanceof Date), 'the TTL index only removes documents with a date')
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
    t.ok(await app.wsTickets.redeem(ticket), 'tickets work')
  })

  t.test('a user without the right to create indexes', async t => {
    const { db } = await connect(t, url)
    const collection = db.collection('ws_tickets')
    // Not every server that this runs on has users, so this answer is made up.
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
    t.ok(await app.wsTickets.redeem(ticket), 'tickets work')
    t.equal((await collection.indexes()).length, 1)
  })

  t.test('an operation that was abandoned before it left is never sent', async t => {
    const { db } = await connect(t, own.url)
    const { app, tickets } = await serve(t, new MongoStore(db, { timeout: STORE_TIMEOUT }))
    await app.ready()
    await tickets.issue('alice')
    await own.pause()
    t.teardown(() => own.resume())
    // One after the other: only the first finds a connection.
    for (let i = 0; i < 3; i++) await t.rejects(tickets.issue('bob'), { code: 'WSA_TICKET_ERR_UNAVAILABLE' })
    own.resume()
    await eventually(async () => tickets.issue('carol'))
    t.ok(await db.collection('ws_tickets').countDocuments({ subject: 'bob' }) < 3)
  })
}
