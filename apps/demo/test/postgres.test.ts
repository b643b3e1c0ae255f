import { findPostgres, type PrivateServer, requireServer, startNats, startPostgres } from '@fastify-airlock/test-servers'
import { randomBytes } from 'node:crypto'
import pg from 'pg'
import t, { type Test } from 'tap'
import { build, getTicket, listen, login } from './helpers.js'
import { nodesContract, outageContract, topicsContract, until } from './nodes.js'

/** A database that no other test uses, dropped with the test. */
async function database (t: Test, url: string): Promise<string> {
  const name = `airlock_demo_${randomBytes(6).toString('hex')}`
  const run = async (statement: string): Promise<void> => {
    const client = new pg.Client(url)
    await client.connect()
    await client.query(statement)
    await client.end()
  }
  await run(`CREATE DATABASE ${name}`)
  t.teardown(() => run(`DROP DATABASE ${name} WITH (FORCE)`))
  return Object.assign(new URL(url), { pathname: `/${name}` }).href
}

async function startBus (t: Test, ...options: string[]): Promise<PrivateServer | null> {
  const nats = requireServer(t, await startNats(...options))
  if (nats !== null) t.teardown(() => nats.stop())
  return nats
}

t.test('tickets in PostgreSQL, the bus through NATS', async t => {
  const postgres = requireServer(t, await findPostgres())
  const nats = await startBus(t)
  if (postgres === null || nats === null) return
  t.teardown(() => postgres.stop())
  const POSTGRES_URL = await database(t, postgres.url)
  await t.test('nodes', async t => nodesContract(t, { TICKET_STORE: 'postgres', POSTGRES_URL, BUS_URL: nats.url }))
  await t.test('topics', async t => topicsContract(t, { TICKET_STORE: 'postgres', POSTGRES_URL, BUS_URL: nats.url }))

  await t.test('only the hash of a ticket is in the database', async t => {
    const { origin } = await listen(t, { TICKET_STORE: 'postgres', POSTGRES_URL })
    const ticket = await getTicket(origin, await login(origin, 'bob'))
    const client = new pg.Client(POSTGRES_URL)
    await client.connect()
    const { rows } = await client.query('SELECT * FROM ws_tickets WHERE subject = $1', ['bob'])
    await client.end()
    t.equal(rows.length, 1)
    t.notOk(JSON.stringify(rows).includes(ticket))
  })
})

t.test('both are away at start, come, and go away again', async t => {
  const postgres = requireServer(t, await startPostgres())
  const nats = await startBus(t)
  if (postgres === null || nats === null) return
  t.teardown(() => postgres.stop())
  await Promise.all([postgres.kill(), nats.kill()])

  const environment = { TICKET_STORE: 'postgres', POSTGRES_URL: postgres.url, BUS_URL: nats.url, LOG_LEVEL: 'info' }
  await outageContract(t, environment, [postgres, nats], [
    'NATS is away: nothing goes through the bus', 'NATS is away: nothing goes through the bus', 'PostgreSQL is away: no tickets'
  ])
})

t.test('servers that never come do not keep the app from closing', async t => {
  const { app } = await build(t, {
    TICKET_STORE: 'postgres', POSTGRES_URL: 'postgresql://127.0.0.1:9/airlock', BUS_URL: 'nats://127.0.0.1:9', LOG_LEVEL: 'silent'
  })
  await app.ready()
  await app.close()
})

t.test('user and password are taken from the URL of NATS, and are in no log line', async t => {
  const nats = await startBus(t, '--user', 'air/lock', '--pass', 'tell-no-one')
  if (nats === null) return
  const start = async (credentials: string) => {
    const node = await build(t, { BUS_URL: nats.url.replace('//', `//${credentials}@`), LOG_LEVEL: 'trace' })
    await node.app.ready()
    return node
  }
  const right = await start('air%2Flock:tell-no-one')
  await until(() => right.app.wsHub.health().bus === 'up', 'the bus is up')
  const wrong = await start('air%2Flock:tell-everybody')
  await until(() => wrong.lines.some(line => line.includes('NATS is away')), 'it is logged')
  t.equal((await wrong.app.inject('/healthz')).statusCode, 200)
  t.notMatch([...right.lines, ...wrong.lines].join(''), /tell-/)
})

t.test('tls:// asks for an encrypted connection', async t => {
  const nats = await startBus(t)
  if (nats === null) return
  const { app, lines } = await build(t, { BUS_URL: nats.url.replace('nats:', 'tls:') })
  await app.ready()
  await until(() => lines.some(line => line.includes('NATS is away')), 'a server without TLS is refused')
})
