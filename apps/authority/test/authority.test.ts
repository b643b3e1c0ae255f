import t from 'tap'
import { buildAuthority, demoClient, TokenStore } from '../src/authority.js'
import { authorization, basic, build, issue, post } from './helpers.js'

t.test('a user gets a token, in the answer and in a cookie', async t => {
  const { app } = await build(t)
  const { status, headers, body } = await post(app, '/token', { username: 'alice', password: 'wonderland' }, {})
  t.equal(status, 200)
  t.match(body, { access_token: /^[\w-]{43}$/, token_type: 'Bearer', expires_in: 900, scope: 'chat' })
  t.equal(headers['set-cookie'], `ext_token=${body.access_token}; Path=/; Max-Age=900; HttpOnly; SameSite=Lax`)
  t.equal(headers['cache-control'], 'no-store')
  const again = await app.inject({ method: 'POST', url: '/token', payload: { username: 'alice', password: 'wonderland' } })
  t.not(again.json().access_token, body.access_token, 'a new one each time; JSON works as well')
})

t.test('name and password must match', async t => {
  const { app } = await build(t)
  for (const [username, password] of [['alice', 'builder'], ['alice', ''], ['mallory', ''], ['Alice', 'wonderland']] as const) {
    const { status, body, headers } = await post(app, '/token', { username, password })
    t.equal(status, 400)
    t.strictSame(body, { error: 'invalid_grant' })
    t.notOk(headers['set-cookie'])
  }
  for (const form of [{}, { username: 'alice' }, { username: 'alice', password: 'wonderland', sub: 'alice' }, { sub: 'alice', expires_in: '0' }]) {
    const { status, body } = await post(app, '/token', form as Record<string, string>)
    t.equal(status, 400)
    t.strictSame(body, { error: 'invalid_request' }, JSON.stringify(form))
  }
})

t.test('a client gets a token for any subject, with any lifetime', async t => {
  const { app } = await build(t)
  const { status, body } = await post(app, '/token', { sub: 'kiosk-7', expires_in: '5' })
  t.equal(status, 200)
  t.match(body, { expires_in: 5, scope: '' })
  const answer = await post(app, '/introspect', { token: body.access_token })
  t.strictSame(answer.body, {
    active: true, token_type: 'Bearer', client_id: 'airlock-demo', sub: 'kiosk-7', scope: '', iat: answer.body.iat, exp: answer.body.iat + 5
  })
  t.equal((await post(app, '/token', { sub: 'kiosk-7' }, {})).status, 401)
})

t.test('introspection says who the user is (RFC 7662)', async t => {
  const { app } = await build(t)
  const before = Math.floor(Date.now() / 1000)
  const { status, body, headers } = await post(app, '/introspect', { token: await issue(app), token_type_hint: 'access_token' })
  t.equal(status, 200)
  t.match(body, { active: true, sub: 'alice', username: 'alice', name: 'Alice', role: 'user', scope: 'chat' })
  t.ok(body.iat >= before)
  t.equal(body.exp, body.iat + 900)
  t.equal(headers['cache-control'], 'no-store')
  const unknown = await post(app, '/introspect', { token: 'A'.repeat(43) })
  t.equal(unknown.status, 200)
  t.strictSame(unknown.body, { active: false })
})

t.test('a revoked token is inactive; revoking an unknown one is no error (RFC 7009)', async t => {
  const { app } = await build(t)
  const [token, other] = [await issue(app), await issue(app)]
  for (const form of [{ token }, { token, token_type_hint: 'access_token' }, { token: 'unknown' }]) {
    const { status, body } = await post(app, '/revoke', form)
    t.equal(status, 200)
    t.equal(body, null)
  }
  t.strictSame((await post(app, '/introspect', { token })).body, { active: false })
  t.match((await post(app, '/introspect', { token: other })).body, { active: true })
  t.match((await app.inject('/healthz')).json(), { status: 'ok', tokens: 1 })
})

t.test('only the client may introspect and revoke', async t => {
  const { app } = await build(t)
  const token = await issue(app)
  for (const url of ['/introspect', '/revoke']) {
    for (const wrong of [
      {}, { authorization: 'Bearer x' }, { authorization: 'Basic' }, { authorization: 'Basic !' },
      { authorization: basic(demoClient.id, 'wrong') }, { authorization: basic('wrong', demoClient.secret) }
    ]) {
      const { status, body, headers } = await post(app, url, { token }, wrong as Record<string, string>)
      t.equal(status, 401)
      t.strictSame(body, { error: 'invalid_client' })
      t.match(headers['www-authenticate'], /^Basic /)
    }
    t.strictSame((await post(app, url, {})).body, { error: 'invalid_request' })
    t.strictSame((await post(app, url, { token: '' })).body, { error: 'invalid_request' })
  }
  t.match((await post(app, '/introspect', { token })).body, { active: true })
})

t.test('the parts of the credentials are form-encoded', async t => {
  const client = { id: 'a:b c', secret: 'p&q=100%+ü' }
  const app = await buildAuthority({ client, tokenTtl: 1, logLevel: 'silent' })
  t.teardown(() => app.close())
  const encode = (text: string) => new URLSearchParams([['', text]]).toString().slice(1)
  const value = Buffer.from(`${encode(client.id)}:${encode(client.secret)}`).toString('base64')
  t.equal((await post(app, '/introspect', { token: 'x' }, { authorization: `basic ${value}` })).status, 200)
  t.equal((await post(app, '/introspect', { token: 'x' }, { authorization: basic(client.id, client.secret) })).status, 200)
  t.equal((await post(app, '/introspect', { token: 'x' })).status, 401)
})

t.test('an internal error reveals nothing to the client', async t => {
  class Broken extends TokenStore {
    override find (): never {
      throw new Error('the disk is full')
    }
  }
  const { app, lines } = await build(t, { store: new Broken() })
  const { status, body } = await post(app, '/introspect', { token: 'x' })
  t.equal(status, 500)
  t.strictSame(body, { error: 'server_error' })
  t.match(lines.join(''), /the disk is full/)
})

t.test('a second authority with the same store knows the tokens of the first', async t => {
  const store = new TokenStore()
  const { app } = await build(t, { store })
  const token = await issue(app)
  await app.close()
  const { app: second } = await build(t, { store })
  t.match((await post(second, '/introspect', { token })).body, { active: true, sub: 'alice' })
})

t.test('no token, password or secret in any log line', async t => {
  const { app, lines } = await build(t)
  const token = await issue(app)
  await post(app, '/introspect', { token })
  await post(app, '/revoke', { token })
  await post(app, '/token', { username: 'alice', password: 'builder' })
  await app.inject({ method: 'POST', url: '/token', headers: { 'content-type': 'application/json' }, payload: '{"password":"wonderland' })
  const log = lines.join('')
  t.match(log, /incoming request/)
  for (const secret of [token, 'wonderland', 'builder', demoClient.secret, authorization.slice(6)]) t.notOk(log.includes(secret), secret)
})
