import t from 'tap'
import { build, getTicket, listen, login, pass, sign } from './helpers.js'

t.test('a logged-in user gets a ticket, by header or by cookie', async t => {
  const { app } = await build(t)
  const token = sign({ sub: 'alice' })
  for (const credentials of [{ headers: { authorization: `Bearer ${token}` } }, { cookies: { session: token } }]) {
    const response = await app.inject({ method: 'POST', url: '/ws/ticket', ...credentials })
    t.equal(response.statusCode, 201)
    t.equal(response.headers['cache-control'], 'no-store')
    t.match(response.json(), { ticket: /^[\w-]{43}$/, expiresIn: 30, protocol: 'airlock.v1' })
  }
})

t.test('TICKET_TTL_MS sets the lifetime', async t => {
  const { app } = await build(t, { TICKET_TTL_MS: '90000' })
  const response = await app.inject({ method: 'POST', url: '/ws/ticket', cookies: { session: sign({ sub: 'alice' }) } })
  t.equal(response.json().expiresIn, 90)
})

t.test('TICKET_RATE limits each user', async t => {
  const { app } = await build(t, { TICKET_RATE: '2' })
  const ask = (sub: string) => app.inject({ method: 'POST', url: '/ws/ticket', cookies: { session: sign({ sub }) } })
  t.strictSame([(await ask('alice')).statusCode, (await ask('alice')).statusCode], [201, 201])
  const refused = await ask('alice')
  t.equal(refused.statusCode, 429)
  t.type(refused.json().code, 'string')
  t.ok(Number(refused.headers['retry-after']) > 0)
  t.equal((await ask('bob')).statusCode, 201)
})

t.test('TICKET_REUSE allows a second use', async t => {
  const { app, origin } = await listen(t, { TICKET_REUSE: 'true' })
  const ticket = await getTicket(origin, await login(origin, 'alice'))
  t.match(await app.wsTickets.redeem(ticket), { subject: 'alice' })
  t.match(await app.wsTickets.redeem(ticket), { subject: 'alice' })
})

t.test('many connections at once, each with its own ticket', async t => {
  const { app, origin } = await listen(t)
  const token = await login(origin, 'alice')
  await Promise.all(Array.from({ length: 100 }, () => pass(t, origin, token)))
  t.equal(app.wsHub.count(), 100)
})
