import type { Test } from 'tap'
import { type Db, MongoClient, type MongoClientOptions } from 'mongodb'
import { spaceName } from './rows.js'

/** A client, and a database that only this test uses. Both are closed with the test, and the database is dropped. */
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
