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
  t.match(await between.next('auth_error'), { code: 4403, reason: 'disconnected' }, 'it had begun before')
  t.ok(await pass(t, origin, alice), 'the session is still valid, so the user may connect again')
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
