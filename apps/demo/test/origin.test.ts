// Takes long: it starts the whole demo for each case.
import t from 'tap'
import { externalLogin, listenWithSystems } from './external-helpers.js'
import { build, http, listen, login, pass } from './helpers.js'

const CHANGING = ['/login', '/session', '/logout', '/ws/ticket', '/broadcast', '/kiosk/reset', '/admin/disconnect', '/sessions/any/end']

t.test('a page of another origin can change nothing, with any cookie', async t => {
  const { app, origin } = await listen(t)
  const token = await login(origin, 'admin')
  const client = await pass(t, origin, token)
  const { port } = new URL(origin)
  // Another port of the same host is the same site: SameSite=Strict lets the cookie through.
  for (const foreign of ['https://evil.example', 'http://127.0.0.1:1', `http://127.0.0.1.evil.example:${port}`, `http://user@127.0.0.1:${Number(port) + 1}`, 'null', '', 'rubbish']) {
    for (const path of CHANGING) {
      for (const json of [undefined, { username: 'alice', password: 'wonderland', data: 1, user: 'admin' }]) {
        const answer = await http('POST', origin + path, { headers: { cookie: `session=${token}`, origin: foreign }, json })
        t.equal(answer.status, 403, `${foreign} ${path}`)
        t.equal(answer.body.code, 'WSA_DEMO_ERR_ORIGIN')
        t.equal(answer.headers.get('set-cookie'), null)
      }
    }
    for (const method of ['PUT', 'PATCH', 'DELETE']) {
      t.equal((await http(method, `${origin}/anything`, { headers: { origin: foreign } })).status, 403, method)
    }
  }
  t.equal((await http('GET', `${origin}/me`, { token })).status, 200, 'the session is still there')
  t.equal(client.socket.readyState, 1, 'and so is the socket')
  t.equal(app.wsHub.stats.deliveries, 0)
})

t.test('nor can it with an Authorization header', async t => {
  const { origin } = await listen(t)
  const token = await login(origin, 'alice')
  t.equal((await http('POST', `${origin}/logout`, { token, headers: { origin: 'https://evil.example' } })).status, 403)
  t.equal((await http('POST', `${origin}/logout`, { token })).status, 204, 'a program sends no Origin')
})

t.test('nor can it on the routes for external tokens', async t => {
  const { origin } = await listenWithSystems(t)
  const headers = { cookie: `ext_token=${await externalLogin(origin)}`, origin: 'http://127.0.0.1:1' }
  t.equal((await http('POST', `${origin}/external/logout`, { headers })).status, 403)
  t.equal((await http('POST', `${origin}/external/login`, { headers, json: { username: 'alice', password: 'wonderland' } })).status, 403)
  t.equal((await http('GET', `${origin}/external/me`, { headers: { cookie: headers.cookie } })).status, 200)
})

t.test('the demo\'s own page can', async t => {
  const { origin } = await listen(t)
  for (const own of [origin, origin.replace('http', 'https')]) {
    const headers = { cookie: `session=${await login(origin, 'admin')}`, origin: own }
    const statuses = []
    for (const path of ['/session', '/ws/ticket', '/kiosk/reset', '/logout']) statuses.push((await http('POST', origin + path, { headers })).status)
    t.strictSame(statuses, [200, 201, 202, 204])
  }
})

t.test('behind a proxy, the headers of the proxy or ALLOWED_ORIGINS say where the page is', async t => {
  const url = '/session'
  const ask = async (environment: NodeJS.ProcessEnv, headers: Record<string, string>) => {
    const { app } = await build(t, environment)
    return (await app.inject({ method: 'POST', url, headers })).statusCode
  }
  const origin = 'https://app.example'
  t.equal(await ask({ TRUST_PROXY: '127.0.0.1' }, { origin, 'x-forwarded-host': 'app.example' }), 401)
  t.equal(await ask({}, { origin, 'x-forwarded-host': 'app.example' }), 403)

  const { app } = await build(t, { ALLOWED_ORIGINS: 'https://app.example,https://*.b.example,null' })
  for (const [origin, status] of [
    ['https://app.example', 401],
    ['https://x.b.example', 401],
    ['https://x.y.b.example', 401],
    ['null', 401],
    ['http://localhost', 401],
    ['http://app.example', 403],
    ['https://app.example.evil.example', 403],
    ['https://appxexample', 403],
    ['https://b.example', 403],
    ['https://.b.example', 403],
    ['https://evil.example/.b.example', 403],
    ['https://evil.example#.b.example', 403]
  ] as const) {
    const response = await app.inject({ method: 'POST', url, headers: { host: 'localhost', origin } })
    t.equal(response.statusCode, status, origin)
  }
})
