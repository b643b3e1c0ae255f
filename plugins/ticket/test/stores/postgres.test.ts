import t, { type Test } from 'tap'
import { once } from 'node:events'
import pg from 'pg'
import { wsTickets } from '../../src/index.js'
import { type PostgresPool, PostgresStore, type PostgresStoreOptions } from '../../src/stores/postgres.js'
import { bare, logged, record } from '../helpers.js'
import { eventually, serve, STORE_TIMEOUT } from './outages.js'
import { testMixed } from './mixed.js'
import { oldPostgres } from './old.js'
import { spaceName } from './rows.js'
import { testStore } from './suite.js'

const PATIENCE = 30_000

/** A pool of its own, closed with the test. */
function connect (t: Test, url: string, options: pg.PoolConfig = {}): pg.Pool {
  const pool = new pg.Pool({ connectionString: url, connectionTimeoutMillis: PATIENCE, ...options })
  t.teardown(() => pool.end())
  return pool
}

/** A table that nobody else has, dropped with the test. */
function tableOf (t: Test, pool: pg.Pool): string {
  const table = spaceName()
  t.teardown(() => pool.query(`DROP TABLE IF EXISTS ${table}`))
  return table
}

/** A pool whose only client fails, or answers as told. */
function fakePool (query: (text: string) => Promise<{ rows: unknown[], rowCount: number | null }>): PostgresPool & { released: unknown[] } {
  const released: unknown[] = []
  const client = { query: async ({ text }: { text: string }) => await query(text), on () {}, off () {}, release: (error?: Error) => { released.push(error) } }
  return { released, connect: async () => client, on () {} }
}

t.test('a wrong option', async t => {
  const pool = fakePool(async () => ({ rows: [], rowCount: 0 }))
  const wrong = [{ table: '' }, { table: 'a\0' }, { table: 'ä'.repeat(32) }, { schema: '' }, { timeout: 0 }, { purgeInterval: 0 }, { tabel: 'x' }]
  for (const options of wrong) {
    t.throws(() => new PostgresStore(pool, options), { code: 'WSA_TICKET_ERR_OPTION' }, JSON.stringify(options))
  }
  for (const pool of [undefined, {}, 'postgresql://127.0.0.1']) {
    t.throws(() => new PostgresStore(pool as unknown as PostgresPool), { code: 'WSA_TICKET_ERR_OPTION', message: /pool: .*connect/ })
  }
})

t.test('what a statement fails with comes out as it is, and its connection is given up', async t => {
  const error = new Error('Query read timeout')
  const pool = fakePool(async text => {
    if (text.startsWith('INSERT')) throw error
    return { rows: [{ name: 'there', commit: 'on' }], rowCount: 1 }
  })
  await t.rejects(new PostgresStore(pool).put('one', record()), error)
  t.same(pool.released, [undefined, error])
})

t.test('without a logger a warning goes nowhere, and the table is looked for once', async t => {
  const asked: string[] = []
  const store = new PostgresStore(fakePool(async text => {
    asked.push(text.split(' ', 1)[0] as string)
    if (text.startsWith('SELECT')) throw Object.assign(new Error('permission denied for schema'), { code: '42501' })
    return { rows: [], rowCount: 1 }
  }))
  await store.put('one', record())
  await store.put('two', record())
  t.same(asked, ['SELECT', 'INSERT', 'INSERT'])
})

// A fake: a server makes them meet in one run and not in the next.
t.test('a table that another process makes between the search and the making is taken as it is', async t => {
  for (const code of ['42P07', '42710', '23505']) {
    const warnings: string[] = []
    const store = new PostgresStore(fakePool(async text => {
      if (text.trimStart().startsWith('CREATE')) throw Object.assign(new Error('it is there'), { code })
      return { rows: [{ name: null, commit: 'on' }], rowCount: 1 }
    }))
    await store.ready({ warn: (_, message) => { warnings.push(message) } })
    await store.put('one', record())
    t.same(warnings, [], code)
  }
})

t.test('a table that was made by hand as the version before wants it is looked at again', async t => {
  const asked: string[] = []
  const store = new PostgresStore(fakePool(async text => {
    asked.push(text.trimStart().split(' ', 1)[0] as string)
    if (asked.length === 1) throw Object.assign(new Error('permission denied for schema'), { code: '42501' })
    if (asked.length === 2) throw Object.assign(new Error('column "session" does not exist'), { code: '42703' })
    return { rows: [{ name: 'there', commit: 'on', isOld: true }], rowCount: 1 }
  }))
  await t.rejects(store.put('one', record()), { code: '42703' })
  await store.put('one', record())
  t.same(asked, ['SELECT', 'INSERT', 'SELECT', 'SET', 'INSERT'])
})

const servers = await testStore(t, 'postgresql', {
  // It makes its table then.
  back: async (url, space) => {
    const client = new pg.Client(url)
    await client.connect()
    const { rows } = await client.query('SELECT count(*)::int FROM pg_indexes WHERE tablename = $1', [space])
    t.same(rows, [{ count: 3 }])
    await client.end()
  }
})
if (servers !== null) {
  const { url, own } = servers

  /** A server with its tickets in a table, ready. */
  const start = async (t: Test, pool: pg.Pool, options: PostgresStoreOptions) => {
    const { lines, options: logger } = logged()
    const app = bare(t, logger)
    await app.register(wsTickets, { store: new PostgresStore(pool, { timeout: PATIENCE, ...options }), storeTimeout: PATIENCE, route: false })
    await app.ready()
    return { tickets: app.wsTickets, lines }
  }

  t.test('only hashes are in the database, and nothing is left when they are used', async t => {
    const pool = connect(t, url)
    const table = tableOf(t, pool)
    const { tickets, lines } = await start(t, pool, { table })
    t.same(lines.filter(line => line.includes('"level":40')), [], 'no warning')
    const issued = await Promise.all(['alice', 'bob', 'carol'].map(subject => tickets.issue(subject, { reuse: subject === 'bob' })))
    const { rows } = await pool.query(`SELECT * FROM ${table}`)
    t.equal(rows.length, 3)
    for (const { ticket } of issued) {
      t.notMatch(JSON.stringify(rows), ticket)
      t.ok(await tickets.redeem(ticket))
    }
    t.match((await pool.query(`SELECT subject FROM ${table}`)).rows, [{ subject: 'bob' }], 'the reusable one is left')
  })

  t.test('one statement each, none closes the pool', async t => {
    const pool = connect(t, url)
    const store = new PostgresStore(pool, { table: tableOf(t, pool), timeout: PATIENCE })
    await store.ready({ warn () {} })
    let statements = 0
    const client = await pool.connect()
    const query = client.query.bind(client) as (...given: unknown[]) => Promise<unknown>
    Object.assign(client, { query: async (...given: unknown[]) => { statements++; return await query(...given) } })
    client.release()
    await store.put('one', record())
    await store.put('two', record({ reuse: true }))
    t.ok(await store.take('one', 'here', Date.now()))
    t.ok(await store.take('two', 'here', Date.now()))
    t.equal(await store.revoke('alice'), 1)
    t.equal(statements, 5)
    store.close()
    t.equal((await pool.query('SELECT 1')).rowCount, 1)
  })

  t.test('many processes that make the table at the same time all find it', async t => {
    const pools = Array.from({ length: 8 }, () => connect(t, url))
    const table = tableOf(t, pools[0] as pg.Pool)
    const stores = pools.map(pool => new PostgresStore(pool, { table, timeout: PATIENCE }))
    await Promise.all(stores.map(store => store.ready({ warn: (_, message) => t.fail(message) })))
    await Promise.all(stores.map((store, i) => store.put(`${i}`, record())))
    t.equal(await stores[0]?.revoke('alice'), 8)
  })

  t.test('names are taken as they are, in a schema that is there', async t => {
    const pool = connect(t, url)
    const schema = spaceName()
    await pool.query(`CREATE SCHEMA ${schema}`)
    t.teardown(() => pool.query(`DROP SCHEMA ${schema} CASCADE`))
    const table = 'Select "x"; $1 \'é.'
    const { tickets } = await start(t, pool, { schema, table })
    const { ticket } = await tickets.issue('alice')
    t.match(await tickets.redeem(ticket), { subject: 'alice' })
    t.match((await pool.query('SELECT tablename FROM pg_tables WHERE schemaname = $1', [schema])).rows, [{ tablename: table }])
  })

  t.test('a user with no more rights than the store needs, and one with fewer', async t => {
    const admin = connect(t, url)
    const table = tableOf(t, admin)
    const schema = spaceName()
    await admin.query(`CREATE USER ${schema} PASSWORD 'of the test'; CREATE SCHEMA ${schema}; GRANT USAGE ON SCHEMA ${schema} TO ${schema}`)
    t.teardown(() => admin.query(`DROP SCHEMA ${schema} CASCADE; DROP OWNED BY ${schema}; DROP USER ${schema}`))
    const pool = connect(t, url, { connectionString: undefined, ...connectionOf(url), user: schema, password: 'of the test' })

    const { tickets, lines } = await start(t, pool, { schema, table })
    t.match(lines.join(''), /No table for tickets.*by hand and grant SELECT, INSERT, UPDATE and DELETE on it: .*CREATE TABLE/)
    await t.rejects(tickets.issue('alice'), { code: 'WSA_TICKET_ERR_UNAVAILABLE', cause: { code: '42P01' } })

    await new PostgresStore(admin, { schema, table }).ready({ warn () {} })
    await admin.query(`GRANT SELECT, INSERT, UPDATE, DELETE ON ${schema}.${table} TO ${schema}`)
    const { ticket } = await tickets.issue('alice')
    t.ok(await tickets.redeem(ticket), 'the table is there, and nobody had to start anew')
    await tickets.issue('alice')
    t.equal(await tickets.revoke('alice'), 1)
    const again = await start(t, pool, { schema, table, purgeInterval: 1 })
    t.notMatch(again.lines.join(''), 'No table')

    const missing = await start(t, pool, { schema: `${schema}_x`, table })
    t.match(missing.lines.join(''), 'No table for tickets')
  })

  t.test('a table of the version before gets what it lacks, once, beside nodes of that version', async t => {
    const pool = connect(t, url)
    const table = tableOf(t, pool)
    const old = oldPostgres(pool, table)
    await old.create()
    const stores = Array.from({ length: 4 }, () => new PostgresStore(connect(t, url), { table, timeout: PATIENCE }))
    await Promise.all(stores.map(store => store.ready({ warn: (_, message) => t.fail(message) })))
    await testMixed(t, stores[0] as PostgresStore, old)
  })

  t.test('a table of the version before that may not be changed, or not now, serves as before', async t => {
    const admin = connect(t, url)
    const table = tableOf(t, admin)
    const user = spaceName()
    const old = oldPostgres(admin, table)
    await old.create()
    await admin.query(`CREATE USER ${user} PASSWORD 'of the test'; GRANT SELECT, INSERT, UPDATE, DELETE ON ${table} TO ${user}`)
    t.teardown(() => admin.query(`DROP OWNED BY ${user}; DROP USER ${user}`))
    const pool = connect(t, url, { connectionString: undefined, ...connectionOf(url), user, password: 'of the test' })
    const { tickets, lines } = await start(t, pool, { table, purgeInterval: 1 })
    t.match(lines.join(''), /no columns for the session.*Add them by hand: .*ALTER TABLE/)
    const [one, two] = [await tickets.issue('alice', { session: 's1' }), await tickets.issue('alice', { session: 's2' })]
    t.match(await tickets.redeem(one.ticket), { subject: 'alice', claims: { sid: 's1' } })
    await t.rejects(tickets.revoke({ session: 's2' }), { code: 'WSA_TICKET_ERR_UNAVAILABLE', cause: { message: /no column for the session/ } })
    t.equal(await tickets.revoke({ subject: 'alice', session: 's3' }), 1, 'as tickets without a session')
    t.equal(await tickets.redeem(two.ticket), null)
    await new PostgresStore(admin, { table }).remove('nothing')
    // By hand, which the store notices by itself.
    await eventually(async () => {
      await tickets.issue('bob', { session: 's4' })
      if (await tickets.revoke({ session: 's4' }) !== 1) throw new Error('not yet')
    })
    t.equal(lines.filter(line => line.includes('no columns for the session')).length, 1)
  })

  t.test('who reads the old table for long keeps nobody from tickets', async t => {
    const pool = connect(t, url)
    const table = tableOf(t, pool)
    await oldPostgres(pool, table).create()
    const reader = await pool.connect()
    await reader.query(`BEGIN; LOCK TABLE ${table} IN ACCESS SHARE MODE`)
    const { tickets, lines } = await start(t, pool, { table, purgeInterval: 1 })
    t.match(lines.join(''), 'no columns for the session')
    const { ticket } = await tickets.issue('alice')
    t.ok(await tickets.redeem(ticket))
    await reader.query('COMMIT')
    reader.release()
    await eventually(async () => {
      await tickets.issue('bob', { session: 's4' })
      if (await tickets.revoke({ session: 's4' }) !== 1) throw new Error('not yet')
    })
  })

  t.test('tickets that nobody has used are removed, in batches', async t => {
    const pool = connect(t, url)
    const table = tableOf(t, pool)
    const store = new PostgresStore(pool, { table, timeout: PATIENCE, purgeInterval: 1 })
    await store.ready({ warn () {} })
    await pool.query(`INSERT INTO ${table} SELECT n, 'alice', 'here', '{}', $1, false FROM generate_series(1, 2500) n`, [Date.now() - 61_000])
    await store.put('expired', record({ expiresAt: Date.now() - 50_000 }))
    await store.put('one', record())
    await eventually(async () => {
      const { rows: [{ count }] } = await pool.query(`SELECT count(*)::int FROM ${table}`)
      if (count !== 2) throw new Error(`${count} tickets`)
    })
    t.ok(await store.take('one', 'here', Date.now()))
    t.equal(await store.take('expired', 'here', Date.now()), null, 'it is refused before it is removed')
  })

  t.test('a search for old tickets that fails is nobody\'s trouble', async t => {
    const pool = connect(t, url)
    const table = tableOf(t, pool)
    const store = new PostgresStore(pool, { table, timeout: PATIENCE, purgeInterval: 1 })
    await store.put('one', record())
    const failed = once(pool, 'remove')
    await pool.query(`INSERT INTO ${table} VALUES ('old', 'alice', 'here', '{}', 0, false)`)
    await pool.query(`CREATE RULE no AS ON DELETE TO ${table} DO INSTEAD SELECT 1 / 0`)
    await store.put('two', record())
    await failed
    await pool.query(`DROP RULE no ON ${table}`)
    t.ok(await store.take('two', 'here', Date.now()))
  })

  t.test('a database that acknowledges too early is reported', async t => {
    const pool = connect(t, url, { options: '-c synchronous_commit=off' })
    const { lines } = await start(t, pool, { table: tableOf(t, pool) })
    t.match(lines.join(''), 'Set synchronous_commit to on')
  })

  t.test('nothing is sent when nobody waits any more, and a connection that came late is kept', async t => {
    const pool = connect(t, own.url, { max: 1 })
    const table = tableOf(t, pool)
    const { app, tickets } = await serve(t, new PostgresStore(pool, { table, timeout: STORE_TIMEOUT }))
    await app.ready()
    const { ticket } = await tickets.issue('alice')
    const client = await pool.connect()
    const late: Array<Promise<unknown>> = [tickets.issue('bob'), tickets.redeem(ticket), tickets.revoke('alice')]
    await Promise.all(late.map(async call => await t.rejects(call, { code: 'WSA_TICKET_ERR_UNAVAILABLE' })))
    t.equal(pool.waitingCount, 3)
    client.release()
    t.match(await tickets.redeem(ticket), { subject: 'alice' }, 'none was used up')
    t.equal((await pool.query(`SELECT 1 FROM ${table}`)).rowCount, 0, 'no ticket was made')
    t.equal(pool.totalCount, 1)
  })

  t.test('idle connections that are lost end nothing', async t => {
    const pool = connect(t, own.url)
    const table = spaceName()
    const { app, tickets } = await serve(t, new PostgresStore(pool, { table, timeout: STORE_TIMEOUT }))
    await app.ready()
    const { ticket } = await tickets.issue('alice')
    await own.kill()
    await eventually(async () => { if (pool.idleCount > 0) throw new Error('connected') })
    await t.rejects(tickets.redeem(ticket), { code: 'WSA_TICKET_ERR_UNAVAILABLE', cause: { code: 'ECONNREFUSED' } })
    await own.restart()
    await eventually(async () => t.match(await tickets.redeem(ticket), { subject: 'alice' }))
  })
}

function connectionOf (url: string): pg.PoolConfig {
  const { hostname, port, pathname } = new URL(url)
  return { host: hostname, port: Number(port), database: pathname.slice(1) || 'postgres' }
}
