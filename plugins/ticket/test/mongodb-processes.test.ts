import t from 'tap'
import { findMongo, requireServer } from '@fastify-airlock/test-servers'
import { MongoStore } from '../src/index.js'
import { connect } from './mongo.js'
import { race } from './race.js'

const mongo = requireServer(t, await findMongo())
if (mongo !== null) {
  const { kind, url, stop } = mongo
  t.comment(kind)
  t.teardown(stop)

  t.test('of 200 parallel redemptions from four processes one succeeds', async t => {
    const { db } = await connect(t, url)
    await race(t, new MongoStore(db), 'mongodb-redeemer.ts', [url, db.databaseName])
  })
}
