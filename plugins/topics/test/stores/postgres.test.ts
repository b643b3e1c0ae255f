import pg from 'pg'
import t from 'tap'
import { setTimeout as sleep } from 'node:timers/promises'
import { findPostgres, requireServer } from '@fastify-airlock/test-servers'
import { testTopicStore } from '../../src/contract.js'
import type { TopicStore } from '../../src/index.js'
import { PostgresTopicStore } from '../../src/stores/postgres.js'
import { until } from '../../../../test/time.js'
import { PATIENCE, postgresStore, spaceName } from './servers.js'

const KEEP = { size: 1, ttl: 1_000 }

/** A stand-in for a pool, for what a real one does not answer. */
const standIn = (query: (text: string) => unknown, delay = 0) => {
  const released: unknown[] = []
  const client = { query: async ({ text }: { text: string }) => query(text), on: () => {}, off: () => {}, release: (error?: Error) => { released.push(error?.message) } }
  return { released, connect: async () => { await sleep(delay); return client }, on: (_: string, listener: (error: Error) => void) => { listener(new Error('lost')) } }
}

t.test('a wrong option', async t => {
  const pool = standIn(() => {}) as never
  for (const options of [{ table: '' }, { table: 'x'.repeat(51) }, { schema: 'x'.repeat(64) }, { schema: '\0' }, { timeout: 0 }, { purgeInterval: 0 }, { tabel: 'x' }]) {
    t.throws(() => new PostgresTopicStore(pool, options as object), { code: 'WSA_TOPICS_ERR_OPTION' }, JSON.stringify(options).slice(0, 40))
  }
  t.throws(() => new PostgresTopicStore({} as never), { code: 'WSA_TOPICS_ERR_OPTION' })
})

t.test('nobody hears of a removal that fails', async t => {
  let removals = 0
  const pool = standIn(text => {
    if (text.includes('to_regproc')) return { rows: [{ made: true, commit: 'on' }] }
    if (text.includes('DELETE') && ++removals > 0) throw new Error('lost')
    return { rows: [{ claimed: 0, epoch: 'e', n: '1' }] }
  })
  const store = new PostgresTopicStore(pool as never, { purgeInterval: 1 })
  await until(async () => (await store.append('a', '1', KEEP)).claimed === 'new' && removals > 1)
})

t.test('tables that another node makes at the same time, and those that cannot be made', async t => {
  const failing = (code: string) => standIn(text => {
    if (text.includes('to_regproc')) return { rows: [{ made: false, commit: 'off' }] }
    if (text.includes('CREATE')) throw Object.assign(new Error('no'), { code })
    return { rows: [{ claimed: 0, epoch: 'e', n: '1' }] }
  })
  for (const code of ['42P07', '42710', '23505', 'XX000']) {
    const warnings: string[] = []
    const store = new PostgresTopicStore(failing(code) as never)
    await store.ready({ warn: (_, message) => { warnings.push(message) } })
    t.match(warnings, [/synchronous_commit/])
    t.match(await store.append('a', '1', KEEP), { position: { epoch: 'e', offset: 1 } }, code)
  }
  const warnings: string[] = []
  const pool = failing('42501')
  await t.rejects(new PostgresTopicStore(pool as never, { schema: 'own' }).ready({ warn: (_, message) => { warnings.push(message) } }), { code: '42501' })
  t.match(warnings[1], /grant SELECT.*"own"."ws_topics"/s)
  t.same(pool.released, [undefined, 'no'], 'a connection with an error is closed')
  await t.rejects(new PostgresTopicStore(failing('42501') as never).append('a', '1', KEEP), { code: '42501' })
})

t.test('a pool that has no connection in time', async t => {
  const pool = standIn(() => t.fail(), 20)
  await t.rejects(new PostgresTopicStore(pool as never, { timeout: 1 }).append('a', '1', KEEP), { message: /No connection to PostgreSQL within 1 ms/ })
  t.same(pool.released, [undefined])
})

t.test('an id that is gone before it is compared is another', async t => {
  const store = new PostgresTopicStore(standIn(text => text.includes('to_regproc') ? { rows: [{ made: true, commit: 'on' }] } : { rows: [], rowCount: 0 }) as never)
  t.equal(await store.claim('a', { key: 'k', digest: 'd', window: 1 }), 'conflict')
})

t.test('a transaction that another one was faster than is tried again, in its time, on the same connection', async t => {
  for (const code of ['40001', '40P01']) {
    let failures = 3
    const pool = standIn(text => {
      if (text.includes('to_regproc')) return { rows: [{ made: true, commit: 'on' }] }
      if (failures-- > 0) throw Object.assign(new Error('lost'), { code, severity: 'ERROR' })
      return { rows: [{ claimed: 0, epoch: 'e', n: '1' }] }
    })
    t.match(await new PostgresTopicStore(pool as never, { timeout: PATIENCE }).append('a', '1', KEEP), { position: { epoch: 'e', offset: 1 } }, code)
    t.same(pool.released, Array(5).fill(undefined))
    failures = Infinity
    await t.rejects(new PostgresTopicStore(pool as never, { timeout: 50 }).append('a', '1', KEEP))
  }
})

const server = requireServer(t, await findPostgres())
if (server !== null) {
  t.teardown(() => server.stop())
  t.comment(server.kind)
  const { url } = server
  const spaces = new WeakMap<TopicStore, string>()

  t.test('contract', async t => {
    const make = async (table: string): Promise<TopicStore> => {
      const { store } = await postgresStore(t, url, { table })
      spaces.set(store, table)
      return store
    }
    testTopicStore(t, {
      create: () => make(spaceName()),
      another: store => make(spaces.get(store) as string),
      wait: milliseconds => sleep(milliseconds)
    })
  })

  t.test('a database whose transactions are isolated more than by default', async t => {
    for (const isolation of ['repeatable\\ read', 'serializable']) {
      const { store, table } = await postgresStore(t, url)
      await store.open('news', 60_000)
      const pool = new pg.Pool({ connectionString: url, options: `-c default_transaction_isolation=${isolation}` })
      t.teardown(() => pool.end())
      const strict = new PostgresTopicStore(pool, { timeout: PATIENCE, table })
      const all = await Promise.all(Array.from({ length: 30 }, async (_, n) => strict.append('news', `${n}`, { size: 100, ttl: 60_000, id: { key: `${n >> 1}`, digest: 'd', window: 60_000 } })))
      t.equal(all.filter(({ claimed }) => claimed === 'new').length, 15, isolation)
      t.match(await strict.heads(['news']), [{ offset: 15 }])
    }
  })

  t.test('what is over is passed over, and removed', async t => {
    const { store, pool, table } = await postgresStore(t, url, { purgeInterval: 1 })
    const { epoch } = await store.open('news', 60_000)
    for (let n = 1; n <= 10; n++) await store.append('news', `${n}`, { size: 100, ttl: n < 9 ? 20 : 60_000 })
    await sleep(40)
    const read = await store.read('news', { epoch, offset: 0 }, 3)
    t.same([read.complete, read.messages.map(({ offset }) => offset)], [false, [9]])
    await pool.query(`UPDATE ${table}_log SET expires = 1 WHERE n < 9`)
    await store.purge()
    t.equal((await pool.query(`SELECT n FROM ${table}_log`)).rowCount, 2)
    // A head that was removed begins anew, without the rest of its log.
    await pool.query(`DELETE FROM ${table}`)
    const { position } = await store.append('news', '"new"', { size: 100, ttl: 60_000 })
    t.same([position.offset, position.epoch === epoch], [1, false])
    t.same((await store.read('news', { ...position, offset: 0 }, 10)).messages, [{ offset: 1, data: '"new"' }])
  })
}
