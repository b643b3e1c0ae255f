import { findPostgres, type PrivateServer, requireServer, startNats, startPostgres } from '@fastify-airlock/test-servers'
import { randomBytes } from 'node:crypto'
import pg from 'pg'
import t, { type Test } from 'tap'
import { build, getTicket, http, listen, login, pass } from './helpers.js'
import { connected, nodesContract, until } from './nodes.js'

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
  const [one, two] = [await listen(t, environment), await listen(t, environment)]
  const [token, admin] = [await login(one.origin, 'alice'), await login(one.origin, 'admin')]
  t.type(token, 'string', 'sessions need neither')
  const ask = (origin: string) => http('POST', `${origin}/ws/ticket`, { token })
  const refused = async () => {
    const start = performance.now()
    t.match(await ask(one.origin), { status: 503, body: { code: 'WSA_TICKET_ERR_UNAVAILABLE' } })
    t.ok(performance.now() - start < 25_000)
  }
  const itWorks = async () => {
    for (const { origin } of [one, two]) await until(async () => (await ask(origin)).status === 201, 'a ticket')
    await connected([one, two])
  }

  await refused()
  t.match(await http('GET', `${one.origin}/healthz`), { status: 200, body: { status: 'degraded', bus: 'down' } })
  await Promise.all([postgres.restart(), nats.restart()])
  await itWorks()
  t.match(await http('GET', `${one.origin}/healthz`), { status: 200, body: { status: 'ok', bus: 'up' } })

  const [here, there] = [await pass(t, one.origin, token, '/ws/kiosk'), await pass(t, two.origin, token, '/ws/kiosk')]
  await Promise.all([postgres.kill(), nats.kill()])
  const logged = (what: string) => one.lines.map(line => JSON.parse(line).msg).filter(line => line.startsWith(what)).sort()
  await until(() => logged('NATS is away').length === 2 && logged('PostgreSQL is away').length === 1, 'the losses are logged')
  await refused()
  t.strictSame((await http('POST', `${one.origin}/kiosk/reset`, { token: admin })).body, { delivered: 1 })
  await here.next('reset')
  here.send({ type: 'echo', data: 'served on' })
  await here.next('echo')

  await Promise.all([postgres.restart(), nats.restart()])
  await itWorks()
  await until(() => logged('NATS is back').length === 2 && logged('PostgreSQL is back').length === 1, 'the returns are logged')
  // So short a loss goes unnoticed by the hubs. What is sent before the other node is connected again is lost.
  await until(async () => {
    await http('POST', `${one.origin}/broadcast`, { token: admin, json: { data: 'again' } })
    return there.pending.includes('broadcast')
  }, 'a broadcast arrives')
  t.match(await there.next('broadcast'), { data: 'again' })
  t.equal(logged('NATS is away').length, 2, 'each loss is logged once')
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
