import t from 'tap'
import type { Db } from 'mongodb'
import { testTicketStore } from '../src/contract.js'
import { MongoStore, type StoreLog } from '../src/index.js'
import { fakeCollection } from './fixtures/fake-collection.js'
import { record } from './helpers.js'

function log (): StoreLog & { lines: string[] } {
  const lines: string[] = []
  return { lines, warn: (details, message) => { lines.push(`${JSON.stringify(details)} ${message}`) } }
}

t.test('contract', async t => {
  testTicketStore(t, { create: () => new MongoStore(fakeCollection()), bounded: false })
})

t.test('of a database the named collection is used', async t => {
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

t.test('an index that cannot be made is reported once, with the cure, and the other one is made', async t => {
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

t.test('indexes that could not be made for want of a database are made when it is back', async t => {
  const asked: string[] = []
  let away = true
  const store = new MongoStore(fakeCollection(async key => {
    asked.push(Object.keys(key).join())
    if (away) throw new Error('away')
    return 'name'
  }))
  await t.rejects(store.ready(log()), { message: 'away' })
  await store.put('one', record())
  t.same(asked, ['expiresAt', 'expiresAt'], 'tried again, and the ticket was kept all the same')
  away = false
  await store.put('two', record())
  await store.put('three', record())
  t.same(asked.slice(2), ['expiresAt', 'subject'])
})

t.test('without a logger a warning goes nowhere', async t => {
  const asked: string[] = []
  const store = new MongoStore(fakeCollection(async key => {
    asked.push(Object.keys(key).join())
    throw Object.assign(new Error('no'), { code: 13 })
  }))
  await store.put('one', record())
  await store.put('two', record())
  t.same(asked, ['expiresAt', 'subject'])
})

t.test('what else an insert fails with comes out as it is', async t => {
  const error = new Error('socket hang up')
  const store = new MongoStore(Object.assign(fakeCollection(), { insertOne: async () => { throw error } }))
  await t.rejects(store.put('one', record()), error)
})

t.test('a client whose first connection failed is connected again, and only such a one', async t => {
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
  t.equal(connects, 1, 'who was connected and is not any more was closed on purpose')

  const closed = new MongoStore(collection)
  const late = closed.put('one', record())
  closed.close()
  await t.rejects(late, broken)
  t.equal(connects, 1, 'nobody connects for a store that is closed')
})
