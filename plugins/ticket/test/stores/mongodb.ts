import type { Test } from 'tap'
import { type Db, MongoClient, type MongoClientOptions } from 'mongodb'
import { spaceName } from './rows.js'

/** A client of its own, and a database that nobody else has, dropped with the test. */
export async function connect (t: Test, url: string, options: MongoClientOptions = {}): Promise<{ client: MongoClient, db: Db }> {
  const client = new MongoClient(url, options)
  await client.connect()
  const db = client.db(spaceName())
  t.teardown(async () => {
    await db.dropDatabase()
    await client.close()
  })
  return { client, db }
}
