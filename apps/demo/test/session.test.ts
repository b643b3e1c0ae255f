// Takes long: it starts the whole demo for each case.
import t from 'tap'
import { build, foreignToken } from './helpers.js'

const alice = { username: 'alice', password: 'wonderland' }
const UUID = /^[\da-f-]{36}$/
const inAMinute = () => Math.floor(Date.now() / 1000) + 60

t.test('login answers with a JWT, and sets the same JWT as a cookie', async t => {
  const { app } = await build(t)
  const response = await app.inject({ method: 'POST', url: '/login', payload: alice })
  t.equal(response.statusCode, 200)
  t.equal(response.headers['cache-control'], 'no-store')
  const { token, user, expiresAt } = response.json()
  t.strictSame(user, { id: 'alice', name: 'Alice', role: 'user' })
  t.equal(response.headers['set-cookie'], `session=${token}; Max-Age=900; Path=/; HttpOnly; SameSite=Strict`)

  const claims = app.jwt.decode<any>(token, { complete: true })
  t.match(claims, { header: { alg: 'HS256' }, payload: { sub: 'alice', name: 'Alice', role: 'user', jti: UUID, sid: UUID, auth_time: claims.payload.iat } })
  t.equal(claims.payload.exp - claims.payload.iat, 15 * 60)
  t.equal(expiresAt, claims.payload.exp * 1000)
})

t.test('the cookie is Secure if a trusted proxy says that the client used https', async t => {
  const { app } = await build(t, { TRUST_PROXY: '127.0.0.1' })
  const response = await app.inject({ method: 'POST', url: '/login', payload: alice, headers: { 'x-forwarded-proto': 'https' } })
  t.match(response.cookies, [{ name: '__Host-session', secure: true }])
  t.equal(response.headers['strict-transport-security'], 'max-age=300')
  const untrusted = await build(t)
  const other = await untrusted.app.inject({ method: 'POST', url: '/login', payload: alice, headers: { 'x-forwarded-proto': 'https' } })
  t.notMatch(other.cookies, [{ secure: true }])
})

t.test('a wrong name and a wrong password get the same 401', async t => {
  const { app } = await build(t)
  const answers = await Promise.all([
    { username: 'alice', password: 'builder' },
    { username: 'mallory', password: 'wonderland' }
  ].map(payload => app.inject({ method: 'POST', url: '/login', payload })))
  for (const answer of answers) {
    t.equal(answer.statusCode, 401)
    t.match(answer.json(), { code: 'WSA_DEMO_ERR_BAD_CREDENTIALS' })
    t.strictSame(answer.cookies, [])
    t.equal(answer.headers['www-authenticate'], 'Bearer')
  }
  t.equal(answers[0]?.body, answers[1]?.body)
})

t.test('a malformed login is 400 with a code', async t => {
  const { app } = await build(t)
  for (const payload of [{}, { username: 'alice' }, { ...alice, password: 'x'.repeat(257) }, { ...alice, username: '' }, { username: {}, password: [] }]) {
    const response = await app.inject({ method: 'POST', url: '/login', payload })
    t.equal(response.statusCode, 400, JSON.stringify(payload).slice(0, 60))
    t.match(response.json(), { code: 'FST_ERR_VALIDATION' })
  }
  const headers = { 'content-type': 'application/json' }
  t.match((await app.inject({ method: 'POST', url: '/login', headers, payload: '{' })).json(), { code: 'FST_ERR_CTP_INVALID_JSON_BODY' })
  t.match((await app.inject({ method: 'POST', url: '/login', headers })).json(), { statusCode: 400, code: 'FST_ERR_VALIDATION' })
  t.match((await app.inject({ method: 'POST', url: '/login', headers: { 'content-type': 'text/plain' }, payload: 'alice' })).json(), { statusCode: 415, code: 'WSA_CORE_ERR_MEDIA_TYPE' })
})

t.test('logins are limited per address', async t => {
  const { app } = await build(t)
  const guess = (remoteAddress: string) => app.inject({ method: 'POST', url: '/login', payload: {}, remoteAddress })
  for (let i = 0; i < 300; i++) await guess('192.0.2.1')
  const refused = await guess('192.0.2.1')
  t.equal(refused.statusCode, 429)
  t.match(refused.json(), { code: 'WSA_DEMO_ERR_TOO_MANY_REQUESTS' })
  t.ok(Number(refused.headers['retry-after']) > 0)
  t.equal((await guess('192.0.2.2')).statusCode, 400)
})

t.test('the session is accepted from the header and from the cookie', async t => {
  const { app } = await build(t)
  const { token } = (await app.inject({ method: 'POST', url: '/login', payload: alice })).json()
  const user = { id: 'alice', name: 'Alice', role: 'user' }
  t.strictSame((await app.inject({ url: '/me', headers: { authorization: `Bearer ${token}` } })).json(), user)
  t.strictSame((await app.inject({ url: '/me', cookies: { session: token } })).json(), user)
})

t.test('any other credential is 401 with a code', async t => {
  const { app } = await build(t)
  const unsigned = [{ alg: 'none', typ: 'JWT' }, { sub: 'alice', exp: inAMinute() }]
    .map(part => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.') + '.'
  const cases: Record<string, Record<string, string>> = {
    nothing: {},
    'another scheme': { authorization: 'Basic YTpi' },
    'an empty bearer': { authorization: 'Bearer ' },
    rubbish: { authorization: 'Bearer rubbish' },
    'rubbish in the cookie': { cookie: 'session=rubbish' },
    'no signature': { authorization: `Bearer ${unsigned}` },
    'another key': { authorization: `Bearer ${foreignToken({ sub: 'alice', exp: inAMinute() }, { secret: 'another key, and just as long as it has to be' })}` },
    'another algorithm': { authorization: `Bearer ${foreignToken({ sub: 'alice', exp: inAMinute() }, { bits: 512 })}` },
    expired: { authorization: `Bearer ${foreignToken({ sub: 'alice', exp: inAMinute() - 61 })}` },
    'never expiring': { authorization: `Bearer ${foreignToken({ sub: 'alice' })}` },
    "nobody's": { authorization: `Bearer ${foreignToken({ exp: inAMinute() })}` },
    'an empty subject': { authorization: `Bearer ${foreignToken({ sub: '', exp: inAMinute() })}` }
  }
  for (const [name, headers] of Object.entries(cases)) {
    for (const [method, url] of [['GET', '/me'], ['POST', '/session'], ['POST', '/logout'], ['POST', '/ws/ticket'], ['POST', '/broadcast'], ['POST', '/kiosk/reset'], ['POST', '/admin/disconnect'], ['GET', '/sessions'], ['POST', '/sessions/x/end']] as const) {
      const response = await app.inject({ method, url, headers })
      t.equal(response.statusCode, 401, `${name}: ${method} ${url}`)
      t.match(response.json(), { code: 'WSA_DEMO_ERR_NOT_AUTHENTICATED' })
      t.equal(response.headers['www-authenticate'], 'Bearer')
    }
  }
})

t.test('a token of another issuer with the same secret', async t => {
  const secret = 'short'
  const { app, lines } = await build(t, { JWT_SECRET: secret })
  t.match(lines.join(''), /JWT_SECRET is shorter than 32 characters/)
  const token = foreignToken({ sub: 'carol', exp: inAMinute() }, { secret })
  const headers = { authorization: `Bearer ${token}` }
  t.strictSame((await app.inject({ url: '/me', headers })).json(), { id: 'carol', name: 'carol', role: 'user' })
  t.equal((await app.inject({ method: 'POST', url: '/ws/ticket', headers })).statusCode, 201)
  t.equal((await app.inject({ method: 'POST', url: '/logout', headers })).statusCode, 204)
  t.equal((await app.inject({ url: '/me', headers })).statusCode, 401, 'it can be logged out without a jti')
})

t.test('without JWT_SECRET, every app has its own key', async t => {
  const [one, two] = await Promise.all([build(t, { JWT_SECRET: '' }), build(t, { JWT_SECRET: '' })])
  t.strictSame(one.lines, [], 'without a warning')
  const { token } = (await one.app.inject({ method: 'POST', url: '/login', payload: alice })).json()
  const headers = { authorization: `Bearer ${token}` }
  t.equal((await one.app.inject({ url: '/me', headers })).statusCode, 200)
  t.equal((await two.app.inject({ url: '/me', headers })).statusCode, 401)
})

t.test('a session is renewed with its cookie or with its JWT', async t => {
  const { app } = await build(t, { SESSION_TTL_MS: '60000' })
  const first = (await app.inject({ method: 'POST', url: '/login', payload: alice })).json()
  for (const proof of [{ cookies: { session: first.token } }, { headers: { authorization: `Bearer ${first.token}` } }]) {
    const response = await app.inject({ method: 'POST', url: '/session', ...proof })
    t.equal(response.statusCode, 200)
    t.equal(response.headers['cache-control'], 'no-store')
    const { token, user, expiresAt } = response.json()
    t.strictSame(user, { id: 'alice', name: 'Alice', role: 'user' })
    t.equal(response.headers['set-cookie'], `session=${token}; Max-Age=60; Path=/; HttpOnly; SameSite=Strict`)
    const [before, after] = [first.token, token].map(jwt => app.jwt.decode<any>(jwt))
    t.match(after, { sub: 'alice', jti: UUID, sid: before.sid, auth_time: before.auth_time, exp: expiresAt / 1000 })
    t.not(after.jti, before.jti)
    t.equal((await app.inject({ url: '/me', cookies: { session: token } })).statusCode, 200)
  }
  t.equal((await app.inject({ url: '/me', cookies: { session: first.token } })).statusCode, 200, 'the previous JWT is still valid')
})

t.test('a session is renewed for twelve hours after the login, and no longer', async t => {
  const { app } = await build(t)
  const now = Math.floor(Date.now() / 1000)
  const renewed = async (claims: object) => {
    const token = foreignToken({ sub: 'alice', exp: inAMinute(), ...claims })
    t.equal((await app.inject({ url: '/me', cookies: { session: token } })).statusCode, 200, 'the token itself is valid')
    const response = await app.inject({ method: 'POST', url: '/session', cookies: { session: token } })
    if (response.statusCode !== 200) t.match(response.json(), { statusCode: 401, code: 'WSA_DEMO_ERR_NOT_AUTHENTICATED' })
    return response.statusCode === 200
  }
  t.ok(await renewed({ sid: 'a', auth_time: now - 12 * 3600 + 30 }))
  t.notOk(await renewed({ sid: 'a', auth_time: now - 12 * 3600 }))
  t.notOk(await renewed({ sid: 'a' }))
  t.notOk(await renewed({ auth_time: now }))
})

t.test('logout with any JWT of a session ends all of them', async t => {
  const { app } = await build(t)
  const renew = async (session: string) => (await app.inject({ method: 'POST', url: '/session', cookies: { session } })).json().token
  const first = (await app.inject({ method: 'POST', url: '/login', payload: alice })).json().token
  const second = await renew(first)
  const third = await renew(second)
  t.equal((await app.inject({ method: 'POST', url: '/logout', cookies: { session: second } })).statusCode, 204)
  for (const session of [first, second, third]) {
    for (const [method, url] of [['GET', '/me'], ['POST', '/session'], ['POST', '/ws/ticket']] as const) {
      t.equal((await app.inject({ method, url, cookies: { session } })).statusCode, 401, url)
    }
  }
  const { auth_time: loggedIn } = app.jwt.decode<any>(first)
  t.match(app.denylist.revocations, [{ until: (loggedIn + 12 * 3600 + 900) * 1000 }], 'kept for as long as another node may renew it')
})

t.test('a renewal during a logout gives no valid JWT', async t => {
  const { app } = await build(t)
  const session = (await app.inject({ method: 'POST', url: '/login', payload: alice })).json().token
  const [renewal] = await Promise.all(['/session', '/logout'].map(url => app.inject({ method: 'POST', url, cookies: { session } })))
  if (renewal?.statusCode === 200) {
    t.equal((await app.inject({ url: '/me', cookies: { session: renewal.json().token } })).statusCode, 401)
  } else t.equal(renewal?.statusCode, 401)
})

t.test('logout ends only the session of its credential', async t => {
  const { app } = await build(t)
  const session = async () => (await app.inject({ method: 'POST', url: '/login', payload: alice })).json().token
  const [token, other] = [await session(), await session()]
  const response = await app.inject({ method: 'POST', url: '/logout', headers: { authorization: `Bearer ${token}` } })
  t.equal(response.statusCode, 204)
  t.match(response.cookies, [{ name: 'session', value: '', path: '/', expires: new Date(0) }])
  t.equal((await app.inject({ url: '/me', headers: { authorization: `Bearer ${token}` } })).statusCode, 401)
  t.equal((await app.inject({ url: '/me', cookies: { session: token } })).statusCode, 401)
  t.equal((await app.inject({ method: 'POST', url: '/ws/ticket', cookies: { session: token } })).statusCode, 401)
  t.equal((await app.inject({ method: 'POST', url: '/logout', cookies: { session: token } })).statusCode, 401)
  t.equal((await app.inject({ url: '/me', cookies: { session: other } })).statusCode, 200)
})

t.test('logout by cookie, from a client that always sends Content-Type: application/json', async t => {
  const { app } = await build(t)
  const { token } = (await app.inject({ method: 'POST', url: '/login', payload: alice })).json()
  const headers = { 'content-type': 'application/json' }
  t.equal((await app.inject({ method: 'POST', url: '/logout', headers, cookies: { session: token } })).statusCode, 204)
})

t.test('logout revokes outstanding tickets', async t => {
  const { app } = await build(t)
  const { token } = (await app.inject({ method: 'POST', url: '/login', payload: alice })).json()
  const { ticket } = (await app.inject({ method: 'POST', url: '/ws/ticket', cookies: { session: token } })).json()
  await app.inject({ method: 'POST', url: '/logout', cookies: { session: token } })
  t.equal(await app.wsTickets.redeem(ticket), null)
})

t.test('logout works while the ticket store is away', async t => {
  const { app, lines } = await build(t)
  const { token } = (await app.inject({ method: 'POST', url: '/login', payload: alice })).json()
  app.wsTickets.revoke = async () => { throw new Error('the store is away') }
  const response = await app.inject({ method: 'POST', url: '/logout', cookies: { session: token } })
  t.equal(response.statusCode, 204)
  t.equal((await app.inject({ url: '/me', cookies: { session: token } })).statusCode, 401)
  t.match(lines.join(''), /outstanding tickets could not be revoked/)
})

t.test('a login ends the session that was open in the browser', async t => {
  const { app } = await build(t)
  const log = async (payload: object, headers: Record<string, string> = {}) => (await app.inject({ method: 'POST', url: '/login', payload, headers })).json().token as string
  const me = async (token: string) => (await app.inject({ url: '/me', headers: { authorization: `Bearer ${token}` } })).statusCode
  const [one, elsewhere] = [await log(alice), await log(alice)]
  await log({ ...alice, password: 'wrong' }, { cookie: `session=${one}` })
  t.equal(await me(one), 200, 'a login that fails ends nothing')
  const two = await log(alice, { cookie: `session=${one}` })
  t.strictSame([await me(one), await me(two), await me(elsewhere)], [401, 200, 200])
  const bob = await log({ username: 'bob', password: 'builder' }, { authorization: `Bearer ${two}` })
  t.strictSame([await me(two), await me(bob)], [401, 200])
  t.type(await log(alice, { cookie: 'session=rubbish' }), 'string')
  t.type(await log(alice, { cookie: `session=${one}` }), 'string', 'one that has ended')
})
