import websocket from '@fastify/websocket'
import Fastify from 'fastify'
import { once } from 'node:events'
import t from 'tap'
import { testServer } from '../src/index.js'
import { build } from './build.js'

/** An application whose users log in. */
async function withLogin () {
  const app = await build()
  app.post<{ Body: { name: string, as: string } }>('/login', async (request, reply) => {
    const { name, as } = request.body
    if (request.headers.authorization !== undefined) return await reply.code(400).send({ message: 'what for?' })
    if (name !== 'alice') return await reply.code(401).send({ code: 'WRONG' })
    const token = app.jwt.sign({ sub: name, sid: 'one' }, { expiresIn: 60 })
    switch (as) {
      case 'token': return { token }
      case 'other': return { access: { jwt: token } }
      case 'cookie': return await reply.header('set-cookie', `session=${token}; HttpOnly`).send({})
      default: return {}
    }
  })
  app.post('/session', { onRequest: async request => { await request.jwtVerify() } }, async request => ({ token: app.jwt.sign(request.user) }))
  app.post('/logout', async (_request, reply) => await reply.header('set-cookie', 'session=; Max-Age=0').send({}))
  app.get('/me', { onRequest: async request => { await request.jwtVerify() } }, async request => request.user)
  return app
}

t.test('a device is a login of its own', async t => {
  const app = await withLogin()
  const server = await testServer(app, { t })
  const [phone, laptop] = [server.device('alice'), server.device('alice', { claims: { role: 'admin' }, life: 60_000 })]
  const me = await phone.json('/me')
  t.match(me, { sub: 'alice', sid: String })
  t.equal(me.exp - me.iat, 600)
  t.match(await phone.json('/me'), me, 'and stays the same')
  t.equal((app.jwt.decode(await phone.sign({ role: 'x' })) as { sid: string }).sid, me.sid, 'of a further token as well')
  const other = await laptop.json('/me')
  t.match(other, { sub: 'alice', role: 'admin' })
  t.equal(other.exp - other.iat, 60)
  t.not(other.sid, me.sid)
  t.equal(await phone.token(), await phone.token())
  phone.forget()
  t.not((await phone.json('/me')).sid, me.sid)
  t.match(await server.device().json('/me'), { sub: 'alice' }, 'by default')
})

t.test('a login by the application itself: a token', async t => {
  const server = await testServer(await withLogin(), { t })
  const alice = server.device(null)
  t.match(await alice.login('/login', { name: 'alice', as: 'token' }), { token: String })
  t.match(await alice.json('/me'), { sub: 'alice', sid: 'one' })
  t.match((await alice.open()).user, { id: 'alice' })
  const other = server.device('alice')
  await other.login('/login', { name: 'alice', as: 'other' }, answer => answer.access.jwt)
  t.match(await other.json('/me'), { sid: 'one' })
})

t.test('a login by the application itself: a cookie, and a token for the first frame', async t => {
  const server = await testServer(await withLogin(), { t })
  const alice = server.device(null)
  await alice.login('/login', { name: 'alice', as: 'cookie' })
  t.match(alice.cookies.get('session'), /^ey/)
  t.match(await alice.json('/me'), { sub: 'alice' })
  const { token } = await alice.json('/session', { method: 'POST' })
  t.match((await alice.open('/ws', { token })).user, { id: 'alice' })
  await alice.json('/logout', { method: 'POST' })
  t.equal(alice.cookies.size, 0)
  await t.rejects(alice.json('/me'), { code: 'WSA_TESTING_ERR_REFUSED', message: /401/ })
})

t.test('a token in a cookie, also on the upgrade', async t => {
  const app = await withLogin()
  app.get('/cookie', { websocket: true, preValidation: async request => { await request.jwtVerify() } }, (socket, request) => {
    socket.send(JSON.stringify({ user: request.user, origin: request.headers.origin }))
  })
  const server = await testServer(app, { t, device: { cookie: 'session' } })
  const connection = await server.device('alice').open('/cookie', { doors: 'none' })
  t.match(await connection.next(), { user: { sub: 'alice' }, origin: server.origin })
  t.match(await server.device('bob').json('/me'), { sub: 'bob' })
  t.match((await server.device('bob').open()).user, { id: 'bob' })
})

t.test('what a login may be answered', async t => {
  const server = await testServer(await withLogin(), { t })
  const device = server.device('mallory')
  await t.rejects(device.login('/login', { name: 'mallory' }), { code: 'WSA_TESTING_ERR_REFUSED', status: 401, refusal: 'WRONG', message: 'POST /login: HTTP 401 WRONG' })
  await t.rejects(device.login('/login', { name: 'alice' }), { code: 'WSA_TESTING_ERR_LOGIN_ANSWER', message: /third argument/ })
})

t.test('who can sign', async t => {
  const app = Fastify()
  await app.register(websocket)
  app.get('/', async ({ headers }) => ({ authorization: headers.authorization ?? null }))
  const server = await testServer(app, { t })
  await t.rejects(server.device('alice').token(), { code: 'WSA_TESTING_ERR_NO_LOGIN', message: /register @fastify\/jwt/ })
  await t.rejects(server.device(null).token(), { code: 'WSA_TESTING_ERR_NO_LOGIN' })
  t.same(await server.device('alice').json('/'), { authorization: null })
  await t.rejects(server.device(null).open('/', { doors: 'two' }), { code: 'WSA_TESTING_ERR_NO_LOGIN' })
  const signing = await testServer(app, { sign: async ({ sub }) => `signed for ${String(sub)}` })
  t.same(await signing.device('alice').json('/'), { authorization: 'Bearer signed for alice' })
})

t.test('a ticket for an audience, and by another path', async t => {
  const app = await build({ ticket: { route: { path: '/t', audiences: ['chat', 'news'] } } as object })
  const server = await testServer(app, { t, ticketPath: '/t' })
  t.match(await server.device('alice').ticket('news'), { ticket: /^[\w-]{43}$/, protocol: 'airlock.v1', expiresIn: 30 })
  t.match((await server.device('alice').refused('/ws', { audience: 'news' })), { status: 401 })
})

t.test('what a client of pages needs', async t => {
  for (const transport of ['memory', 'port'] as const) {
    const server = await testServer(await build(), { t, transport })
    const { url, WebSocket, getTicket, getToken } = server.device('alice').clientOptions()
    const { ticket, protocol } = await getTicket()
    const socket = new WebSocket(url, [protocol, `ticket.${ticket}`])
    t.teardown(() => socket.terminate())
    await once(socket, 'open')
    socket.send(JSON.stringify({ type: 'auth', token: await getToken() }))
    const [answer] = await once(socket, 'message')
    t.match(JSON.parse(String(answer)), { type: 'auth_ok', user: { id: 'alice' } })
  }
})

t.test('a server that does not answer', async t => {
  const app = Fastify()
  await app.register(websocket)
  app.get('/', async () => await new Promise(() => {}))
  app.get('/ws', { websocket: true, preValidation: async () => await new Promise(() => {}) }, () => {})
  const server = await testServer(app, { timeout: 20 })
  await t.rejects(server.device('alice').json('/'), { code: 'WSA_TESTING_ERR_TIMEOUT', message: 'An answer of / has not come within 20 ms. What has come: nothing' })
  await t.rejects(server.device('alice').open('/ws', { doors: 'none' }), { code: 'WSA_TESTING_ERR_TIMEOUT', message: /^An answer to the upgrade of \/ws/ })
})

t.test('options that are wrong', async t => {
  const app = await build()
  t.teardown(() => app.close())
  for (const [options, message] of [
    [{ transprot: 'port' }, /did you mean `transport`/], [{ transport: 'udp' }, /Expected 'memory', 'injectWS' or 'port'/], [{ t: {} }, /teardown, after or onTestFinished/],
    [{ bus: {} }, /Expected a TestBus/], [{ device: 1 }, /Expected an object/], [{ timeout: 0 }, /milliseconds/], [{ sign: 'x' }, /Expected a function/]
  ] as const) {
    await t.rejects(testServer(app, options as object), { code: 'WSA_TESTING_ERR_OPTION', message })
  }
  const server = await testServer(app)
  await t.rejects(server.relay(), { code: 'WSA_TESTING_ERR_NO_PORT' })
})
