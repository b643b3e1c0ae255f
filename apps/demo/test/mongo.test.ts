import { findMongo, requireServer, startMongo } from '@fastify-airlock/test-servers'
import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import { build, Client, getTicket, http, listen, login } from './helpers.js'

/** A database that nobody else uses. */
function database (url: string): string {
  const { origin, search } = new URL(url.replace('mongodb:', 'http:'))
  return `${origin.replace('http:', 'mongodb:')}/airlock-demo-${randomUUID()}${search}`
}

async function twoApps (t: Test, url: string) {
  const MONGODB_URL = database(url)
  return [await listen(t, { MONGODB_URL }), await listen(t, { MONGODB_URL })] as const
}

t.test('with MONGODB_URL', async t => {
  const mongo = requireServer(t, await findMongo())
  if (mongo === null) return
  t.teardown(() => mongo.stop())

  await t.test('two processes honour the tickets of each other, once', async t => {
    const [one, two] = await twoApps(t, mongo.url)
    const token = await login(one.origin, 'alice')
    const ticket = await getTicket(one.origin, token)
    const protocols = ['airlock.v1', `ticket.${ticket}`]

    const stored = await one.app.mongo.db?.collection('ws_tickets').find().toArray()
    t.equal(stored?.length, 1)
    t.notOk(JSON.stringify(stored).includes(ticket), 'only its hash is in the database')

    const client = new Client(t, two.origin, '/ws/demo', protocols)
    t.equal((await client.upgraded).status, 101)
    client.send({ type: 'auth', token })
    t.match(await client.next('auth_ok'), { user: { id: 'alice' } })
    t.equal((await new Client(t, one.origin, '/ws/demo', protocols).upgraded).status, 401)
    await one.app.mongo.db?.dropDatabase()
  })

  await t.test('logout revokes what lies in the database', async t => {
    const [one, two] = await twoApps(t, mongo.url)
    const token = await login(one.origin, 'alice')
    const ticket = await getTicket(one.origin, token)
    await http('POST', `${one.origin}/logout`, { token })
    t.equal(await two.app.wsTickets.redeem(ticket), null)
    await one.app.mongo.db?.dropDatabase()
  })
})

t.test('a database that is away at start, comes, and goes', async t => {
  const mongo = requireServer(t, await startMongo())
  if (mongo === null) return
  t.teardown(() => mongo.stop())
  await mongo.kill()

  const { app } = await build(t, { MONGODB_URL: database(mongo.url), LOG_LEVEL: 'silent' })
  await app.ready()
  const { token } = (await app.inject({ method: 'POST', url: '/login', payload: { username: 'alice', password: 'wonderland' } })).json()
  t.type(token, 'string', 'sessions need no database')
  const ask = () => app.inject({ method: 'POST', url: '/ws/ticket', cookies: { session: token } })
  const untilItWorks = async () => {
    const deadline = Date.now() + 30_000
    while ((await ask()).statusCode !== 201) {
      if (Date.now() > deadline) throw new Error('still no ticket')
    }
  }
  const refusedInTime = async () => {
    const start = performance.now()
    const response = await ask()
    t.equal(response.statusCode, 503)
    t.equal(response.json().code, 'WSA_TICKET_ERR_UNAVAILABLE')
    t.ok(Number(response.headers['retry-after']) > 0)
    t.ok(performance.now() - start < 6_000)
  }

  await refusedInTime()
  await mongo.restart()
  await untilItWorks()
  await mongo.kill()
  await refusedInTime()
  await mongo.restart()
  await untilItWorks()
})
