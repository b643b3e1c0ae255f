// Takes long: it starts the whole demo for each case.
import t from 'tap'
import { build, enter, http, listen, login, pass, sign } from './helpers.js'

t.test('an admin disconnects a user: all sockets of that user, and no others', async t => {
  const { origin } = await listen(t)
  const [alice, bob, admin] = [await login(origin, 'alice'), await login(origin, 'bob'), await login(origin, 'admin')]
  const sockets = [await pass(t, origin, alice), await pass(t, origin, alice, '/ws/kiosk')]
  const between = await enter(t, origin, alice)
  const other = await pass(t, origin, bob)

  const response = await http('POST', `${origin}/admin/disconnect`, { token: admin, json: { user: 'alice' } })
  t.equal(response.status, 202)
  t.strictSame(response.body, { disconnected: 2 })
  for (const { closed } of sockets) t.strictSame(await closed, { code: 4403, reason: 'disconnected' })

  other.send({ type: 'echo', data: 'still here' })
  t.match(await other.next('echo'), { data: 'still here' })
  between.send({ type: 'auth', token: alice })
  t.match(await between.next('auth_error'), { code: 4403 }, 'the session has ended')
  t.strictSame((await http('POST', `${origin}/admin/disconnect`, { token: admin, json: { user: 'nobody' } })).body, { disconnected: 0 })
})

t.test('only an admin may, and a user is required', async t => {
  const { app } = await build(t)
  const ask = (claims: object, payload: object) =>
    app.inject({ method: 'POST', url: '/admin/disconnect', cookies: { session: sign(claims) }, payload })
  for (const claims of [{ sub: 'alice', role: 'user' }, { sub: 'admin' }]) {
    t.match((await ask(claims, { user: 'bob' })).json(), { statusCode: 403, code: 'WSA_DEMO_ERR_FORBIDDEN' })
  }
  for (const payload of [{}, { user: '' }, { user: 'x'.repeat(257) }, { user: {} }]) {
    t.match((await ask({ sub: 'admin', role: 'admin' }, payload)).json(), { statusCode: 400, code: 'FST_ERR_VALIDATION' })
  }
})

t.test('the sessions and the tickets of the user have ended, and a new login counts', async t => {
  const { app, origin } = await listen(t)
  const [one, two, bob, admin] = [await login(origin, 'alice'), await login(origin, 'alice'), await login(origin, 'bob'), await login(origin, 'admin')]
  const foreign = sign({ sub: 'alice', iat: Math.floor(Date.now() / 1000) - 1 })
  const { body: { ticket } } = await http('POST', `${origin}/ws/ticket`, { token: one })
  await http('POST', `${origin}/admin/disconnect`, { token: admin, json: { user: 'alice' } })
  for (const token of [one, two, foreign, sign({ sub: 'alice' }), sign({ sub: 'alice', sid: 'x', auth_time: 1 })]) {
    t.equal((await http('GET', `${origin}/me`, { token })).status, 401)
    t.equal((await http('POST', `${origin}/session`, { token })).status, 401)
  }
  t.equal(await app.wsTickets.redeem(ticket, {}), null)
  t.equal((await http('GET', `${origin}/me`, { token: bob })).status, 200)
  const again = await login(origin, 'alice')
  t.equal((await http('GET', `${origin}/me`, { token: again })).status, 200)
  t.ok(await pass(t, origin, again))
})

t.test('a ticket store that is away keeps nobody logged in', async t => {
  const { app, lines } = await build(t)
  app.wsTickets.revoke = async () => { throw new Error('away') }
  const token = sign({ sub: 'alice' })
  const payload = { user: 'alice' }
  t.equal((await app.inject({ method: 'POST', url: '/admin/disconnect', payload, cookies: { session: sign({ sub: 'admin', role: 'admin' }) } })).statusCode, 202)
  t.equal((await app.inject({ url: '/me', cookies: { session: token } })).statusCode, 401)
  t.match(lines.join(''), /outstanding tickets could not be revoked/)
})
