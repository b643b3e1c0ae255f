// Takes long: it starts the whole demo for each case.
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { externalCookieOf } from '../src/plugins/external-tokens.js'
import { externalLogin, listenWithSystems } from './external-helpers.js'
import { build, Client, http, listen, login } from './helpers.js'

t.test('under TLS the cookie of a token is of this host alone', async t => {
  t.equal(externalCookieOf({ tls: { cert: Buffer.alloc(0), key: Buffer.alloc(0) } }), '__Host-ext_token')
})

const alice = { id: 'alice', name: 'Alice', role: 'user', scope: 'chat' }

t.test('a token of the authority works for HTTP, on every carrier', async t => {
  const { origin } = await listenWithSystems(t)
  const answer = await http('POST', `${origin}/external/login`, { json: { username: 'alice', password: 'wonderland' } })
  t.equal(answer.status, 200)
  t.strictSame(answer.body, { expiresIn: 900 }, 'the page does not see the token')
  t.match(answer.headers.get('set-cookie'), /^ext_token=[\w-]{43}; Max-Age=900; Path=\/; HttpOnly; SameSite=Strict$/)
  t.equal(answer.headers.get('cache-control'), 'no-store')

  const token = await externalLogin(origin)
  for (const { path = '/external/me', headers = {} } of [
    { headers: { cookie: `ext_token=${token}` } },
    { path: `/external/me?token=${token}` },
    { headers: { authorization: `Bearer ${token}` } }
  ]) {
    const { status, body } = await http('GET', origin + path, { headers })
    t.equal(status, 200)
    t.match(body, alice)
    t.ok(body.expiresAt > Date.now())
  }
})

t.test('no token, an invalid one and two are refused, and so is a session token', async t => {
  const { origin } = await listenWithSystems(t)
  const session = await login(origin, 'alice')
  for (const [path, status, code] of [
    ['/external/me', 401, 'WSA_INTROSPECT_ERR_NO_TOKEN'],
    ['/external/me?token=nonsense', 401, 'WSA_INTROSPECT_ERR_INVALID_TOKEN'],
    [`/external/me?token=${session}`, 401, 'WSA_INTROSPECT_ERR_INVALID_TOKEN'],
    ['/external/me?token=a&token=b', 400, 'WSA_INTROSPECT_ERR_MULTIPLE_TOKENS']
  ] as const) {
    const answer = await http('GET', origin + path)
    t.equal(answer.status, status)
    t.equal(answer.body.code, code)
  }
  const wrong = await http('POST', `${origin}/external/login`, { json: { username: 'alice', password: 'wrong' } })
  t.equal(wrong.status, 401)
  t.equal(wrong.body.code, 'WSA_DEMO_ERR_BAD_CREDENTIALS')
  t.equal((await http('POST', `${origin}/external/logout`)).status, 401)
})

t.test('the same token opens a WebSocket, whose messages name the user', async t => {
  const { app, origin } = await listenWithSystems(t)
  const token = await externalLogin(origin)
  for (const client of [
    new Client(t, origin, `/ws/external?token=${token}`),
    new Client(t, origin, '/ws/external', [], { headers: { cookie: `ext_token=${token}`, origin } }),
    new Client(t, origin, '/ws/external', [], { headers: { authorization: `Bearer ${token}` } }),
    new Client(t, origin, '/ws/external', ['airlock.v1', `bearer.${token}`])
  ]) {
    t.match(await client.next('hello'), { userInfo: alice })
    client.send({ type: 'whoami' })
    t.match(await client.next('whoami'), { userInfo: alice })
    client.send({ type: 'echo', data: 1 })
    t.strictSame(await client.next('echo'), { type: 'echo', data: 1 })
  }
  t.equal(app.wsIntrospect.size, 4)
  t.equal(app.wsHub.connectionsOf('alice').size, 0, 'the demo\'s own alice is another user')
})

t.test('an upgrade without a valid token, or of a foreign origin, gets no 101', async t => {
  const { app, origin } = await listenWithSystems(t)
  const token = await externalLogin(origin)
  const cookie = `ext_token=${token}`
  for (const [path, headers, status] of [
    ['/ws/external', {}, 401],
    ['/ws/external?token=nonsense', {}, 401],
    [`/ws/external?token=${token}`, { cookie }, 400],
    ['/ws/external', { cookie, origin: 'https://evil.example' }, 403],
    ['/ws/external', { cookie }, 403]
  ] as const) {
    t.equal((await new Client(t, origin, path, [], { headers }).upgraded).status, status)
  }
  t.equal(app.websocketServer.clients.size, 0)
})

t.test('logout revokes the token and closes its sockets', async t => {
  const { origin, store } = await listenWithSystems(t)
  for (const carrier of [
    (token: string) => ({ headers: { cookie: `ext_token=${token}` } }),
    (token: string) => ({ headers: { authorization: `Bearer ${token}` } }),
    (token: string) => ({ path: `?token=${token}` })
  ]) {
    const token = await externalLogin(origin)
    const other = await externalLogin(origin)
    const client = new Client(t, origin, `/ws/external?token=${token}`)
    const spared = new Client(t, origin, `/ws/external?token=${other}`)
    await Promise.all([client.next('hello'), spared.next('hello')])

    const { path = '', headers = {} } = carrier(token) as { path?: string, headers?: Record<string, string> }
    const answer = await http('POST', `${origin}/external/logout${path}`, { headers })
    t.equal(answer.status, 204)
    t.match(answer.headers.get('set-cookie'), /^ext_token=;.*Max-Age=0/)
    t.strictSame(await client.closed, { code: 4403, reason: 'token revoked' })
    t.equal(store.find(token), null)
    t.equal((await http('GET', `${origin}/external/me?token=${token}`)).status, 401)

    spared.send({ type: 'whoami' })
    t.match(await spared.next('whoami'), { userInfo: alice })
  }
})

t.test('a token that was revoked elsewhere closes its socket at the next check', async t => {
  const { app, origin, store } = await listenWithSystems(t)
  const token = await externalLogin(origin)
  const client = new Client(t, origin, `/ws/external?token=${token}`)
  await client.next('hello')
  store.revoke(token)
  t.strictSame(await app.wsIntrospect.recheck('alice'), { kept: 0, closed: 1, unknown: 0 })
  t.match(await client.closed, { code: 4403 })
})

t.test('while the authority is away nobody gets in and open sockets stay; then everything works again', async t => {
  const { app, origin, authority } = await listenWithSystems(t)
  const token = await externalLogin(origin)
  const late = await externalLogin(origin, 'bob', 'builder')
  const client = new Client(t, origin, `/ws/external?token=${token}`)
  await client.next('hello')

  await authority.kill()
  for (const answer of [
    await http('GET', `${origin}/external/me?token=${late}`),
    await http('POST', `${origin}/external/login`, { json: { username: 'alice', password: 'wonderland' } }),
    await http('POST', `${origin}/external/logout?token=${token}`)
  ]) {
    t.equal(answer.status, 503)
    t.ok(Number(answer.headers.get('retry-after')) > 0)
  }
  t.equal((await new Client(t, origin, `/ws/external?token=${late}`).upgraded).status, 503)
  t.strictSame(await app.wsIntrospect.recheck('alice'), { kept: 0, closed: 0, unknown: 1 })
  client.send({ type: 'whoami' })
  t.match(await client.next('whoami'), { userInfo: alice })

  await authority.start()
  t.strictSame(await app.wsIntrospect.recheck('alice'), { kept: 1, closed: 0, unknown: 0 })
  t.equal((await http('GET', `${origin}/external/me?token=${late}`)).status, 200)
})

t.test('the limits of the hub also apply to external users', async t => {
  const { app, origin } = await listenWithSystems(t, { MAX_CONNECTIONS_PER_USER: '1' })
  const token = await externalLogin(origin)
  await new Client(t, origin, `/ws/external?token=${token}`).next('hello')
  t.match(await new Client(t, origin, `/ws/external?token=${token}`).closed, { code: 4429 })
  t.equal(app.wsIntrospect.size, 1)
})

t.test('an authority that says less about its users', async t => {
  const origin = await authorityThat(t, (request, response) => {
    response.setHeader('content-type', 'application/json').end('{"active":true,"sub":"carol"}')
  })
  t.strictSame((await http('GET', `${origin}/external/me?token=x`)).body,
    { id: 'carol', name: 'carol', role: 'user', scope: '', expiresAt: null })
})

t.test('an authority that answers with nonsense counts as unavailable', async t => {
  for (const [status, body] of [[200, 'a-secret-that-is-no-json'], [200, 'null'], [200, '{"access_token":"a-secret","expires_in":"1"}'], [401, '{}'], [302, '']] as const) {
    const { app, lines, origin: authority } = await startWith(t, (request, response) => {
      if (request.url === '/introspect') return response.end('{"active":true,"sub":"carol"}')
      response.writeHead(status, { location: '/elsewhere' }).end(body)
    })
    const answer = await http('POST', `${authority}/external/login`, { json: { username: 'alice', password: 'wonderland' } })
    t.equal(answer.status, 503)
    t.equal(answer.body.code, 'WSA_DEMO_ERR_EXTERNAL_UNAVAILABLE')
    if (status !== 200) t.equal((await http('POST', `${authority}/external/logout?token=x`)).status, 503)
    t.notMatch(lines.join(''), /a-secret|wonderland/)
    await app.close()
  }
})

t.test('without an authority and an upstream, their routes do not exist', async t => {
  const { app } = await build(t)
  for (const url of ['/external/me', '/ws/external', '/ws/upstream', '/api/hello']) {
    t.equal((await app.inject(url)).statusCode, 404, url)
  }
})

/** Starts the demo with an authority whose answers the test defines. */
async function startWith (t: Test, listener: RequestListener) {
  const server = createServer(listener).listen(0, '127.0.0.1')
  t.teardown(() => { server.closeAllConnections(); server.close() })
  await once(server, 'listening')
  return await listen(t, {
    INTROSPECTION_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}/introspect`,
    INTROSPECTION_CLIENT_ID: 'demo',
    INTROSPECTION_CLIENT_SECRET: 'secret'
  })
}

async function authorityThat (t: Test, listener: RequestListener): Promise<string> {
  return (await startWith(t, listener)).origin
}
