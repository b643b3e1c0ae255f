import t from 'tap'
import fastifyJwt from '@fastify/jwt'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { wsTickets } from '../src/index.js'
import { bare, build, clock, logged, signedIn } from './helpers.js'

const POST = { method: 'POST', url: '/ws/ticket' } as const

t.test('a signed-in client gets a ticket', async t => {
  const app = await build(t)
  const token = app.jwt.sign({ sub: 'alice' }, { expiresIn: '1m' })
  for (const headers of [{ authorization: `Bearer ${token}` }, { cookie: `session=${token}` }]) {
    const response = await app.inject({ ...POST, headers })
    t.equal(response.statusCode, 201)
    t.equal(response.headers['cache-control'], 'no-store')
    const { ticket, ...rest } = response.json()
    t.match(ticket, /^[\w-]{43}$/)
    t.same(rest, { expiresIn: 30, protocol: 'airlock.v1' })
    t.match(await app.wsTickets.redeem(ticket), { subject: 'alice', claims: {} })
  }
})

t.test('other clients get none', async t => {
  const app = await build(t)
  const expired = app.jwt.sign({ sub: 'alice', iat: 1, exp: 2 })
  const cases = [{}, { authorization: 'Bearer x.y.z' }, { authorization: `Bearer ${expired}` }, { cookie: 'session=x' }]
  for (const headers of cases) {
    const response = await app.inject({ ...POST, headers })
    t.equal(response.statusCode, 401)
    t.match(response.json(), { statusCode: 401, code: /^FST_JWT_/ })
    t.equal(response.headers['cache-control'], 'no-store', 'errors are not cached either')
  }
  const anonymous = app.jwt.sign({ name: 'alice' }, { expiresIn: '1m' })
  const response = await app.inject({ ...POST, headers: { authorization: `Bearer ${anonymous}` } })
  t.match(response.json(), { statusCode: 401, code: 'WSA_TICKET_ERR_UNAUTHENTICATED' }, 'a token without a subject')
})

t.test('only POST makes tickets', async t => {
  const app = await build(t)
  for (const method of ['GET', 'HEAD', 'PUT'] as const) {
    const response = await app.inject({ method, url: '/ws/ticket', headers: signedIn(app) })
    t.equal(response.statusCode, 404, method)
  }
})

t.test('no body, an empty body, an empty object', async t => {
  const app = await build(t)
  app.post('/elsewhere', async () => 'ok')
  const json = { 'content-type': 'application/json' }
  for (const request of [{}, { headers: json }, { headers: json, payload: '' }, { headers: json, payload: '{}' }, { headers: json, payload: 'null' }]) {
    const response = await app.inject({ ...POST, ...request, headers: { ...request.headers, ...signedIn(app) } })
    t.equal(response.statusCode, 201, JSON.stringify(request))
  }
  t.equal((await app.inject({ method: 'POST', url: '/elsewhere', headers: json })).statusCode, 400, 'other routes stay as they are')
})

t.test('over a real connection as well', async t => {
  const app = await build(t)
  const address = await app.listen({ host: '127.0.0.1', port: 0 })
  const { authorization } = signedIn(app)
  for (const headers of [{ authorization }, { authorization, 'content-type': 'application/json' }]) {
    const response = await fetch(`${address}/ws/ticket`, { method: 'POST', headers })
    t.equal(response.status, 201)
    const { ticket } = await response.json() as { ticket: string }
    t.match(await app.wsTickets.redeem(ticket), { subject: 'alice' })
  }
})

t.test('a wrong body', async t => {
  const app = await build(t)
  const json = { 'content-type': 'application/json' }
  for (const [payload, headers, status] of [
    ['{', json, 400],
    ['[]', json, 400],
    ['"x"', json, 400],
    ['{"__proto__":{}}', json, 400],
    ['{"audience":{}}', json, 400],
    ['{"audience":""}', json, 400],
    [`{"x":"${'x'.repeat(2_000)}"}`, json, 413],
    ['audience=websocket', { 'content-type': 'application/x-www-form-urlencoded' }, 415],
    ['websocket', { 'content-type': 'text/plain' }, 415],
    ['websocket', { 'content-type': 'nonsense' }, 415],
    ['--x--', { 'content-type': 'multipart/form-data; boundary=x' }, 415],
    ['<a/>', { 'content-type': 'application/xml' }, 415]
  ] as const) {
    const response = await app.inject({ ...POST, payload, headers: { ...headers, ...signedIn(app) } })
    t.equal(response.statusCode, status, payload.slice(0, 40))
    t.type(response.json().code, 'string')
    t.equal(response.headers['cache-control'], 'no-store')
  }
})

t.test('only listed audiences', async t => {
  const app = await build(t, { audience: 'chat', route: { audiences: ['chat', 'admin'] } })
  const ask = async (payload: object) => app.inject({ ...POST, payload, headers: signedIn(app) })
  const admin = (await ask({ audience: 'admin' })).json()
  t.equal(await app.wsTickets.redeem(admin.ticket), null)
  t.ok(await app.wsTickets.redeem(admin.ticket, { audience: 'admin' }))
  t.ok(await app.wsTickets.redeem((await ask({})).json().ticket), 'the default if none is named')
  t.match((await ask({ audience: 'other' })).json(), { statusCode: 400, code: 'WSA_TICKET_ERR_AUDIENCE' })
})

t.test('the default audience is refused if it is not on the list', async t => {
  const app = await build(t, { route: { audiences: ['admin'] } })
  const response = await app.inject({ ...POST, headers: signedIn(app) })
  t.match(response.json(), { statusCode: 400, code: 'WSA_TICKET_ERR_AUDIENCE' })
})

t.test('path, prefix, subject and claims', async t => {
  const app = await build(t, {
    prefix: '/api',
    route: {
      path: '/key',
      subject: request => (request.user as { id?: string }).id,
      claims: async request => ({ via: request.url })
    }
  })
  const authorization = `Bearer ${app.jwt.sign({ id: 'u1' }, { expiresIn: '1m' })}`
  const response = await app.inject({ method: 'POST', url: '/api/key', headers: { authorization } })
  t.match(await app.wsTickets.redeem(response.json().ticket), { subject: 'u1', claims: { via: '/api/key' } })
  t.equal((await app.inject(POST)).statusCode, 404)
})

t.test('several hooks, with a callback and async', async t => {
  const seen: string[] = []
  const app = await build(t, {
    route: {
      subject: () => 'alice',
      authenticate: [
        (_request, _reply, done) => { seen.push('callback'); done() },
        async (request: FastifyRequest, reply: FastifyReply) => {
          seen.push('async')
          if (request.headers['x-key'] !== 'good') await reply.code(403).send({ code: 'NO' })
        }
      ]
    }
  })
  t.equal((await app.inject(POST)).statusCode, 403)
  t.equal((await app.inject({ ...POST, headers: { 'x-key': 'good' } })).statusCode, 201)
  t.same(seen, ['callback', 'async', 'callback', 'async'])
})

t.test('authenticate runs in the hook that was asked for', async t => {
  const hooks = ['onRequest', 'preValidation', 'preHandler'] as const
  const jwt = async (request: FastifyRequest): Promise<void> => { await request.jwtVerify() }
  const table: Array<[object, typeof hooks[number]]> = [
    [{}, 'onRequest'],
    [{ jwt: {} }, 'onRequest'],
    [{ authenticate: jwt }, 'preValidation'],
    [{ authenticate: [jwt, jwt] }, 'preValidation'],
    ...hooks.flatMap(hook => [
      [{ hook }, hook],
      [{ hook, jwt: {} }, hook],
      [{ hook, authenticate: jwt }, hook]
    ] as Array<[object, typeof hook]>)
  ]
  for (const [route, expected] of table) {
    const app = bare(t)
    let first: string | undefined
    // The user that another plugin restores late.
    for (const hook of hooks) app.addHook(hook, async request => { if (request.user == null) first = hook })
    await app.register(fastifyJwt, { secret: 'of the test' })
    await app.register(wsTickets, { route })
    t.equal((await app.inject({ ...POST, headers: signedIn(app) })).statusCode, 201)
    t.equal(first, expected, JSON.stringify(route))
    t.equal((await app.inject(POST)).statusCode, 401)
    t.equal((await app.inject({ ...POST, payload: [] })).statusCode, expected === 'preHandler' ? 400 : 401, 'before the body is checked')
  }
})

t.test('tickets bound to Origin and address', async t => {
  const app = await build(t, { bindOrigin: true, bindAddress: true })
  const ask = async (headers: object) => {
    const response = await app.inject({ ...POST, remoteAddress: '192.0.2.1', headers: { ...signedIn(app), ...headers } })
    return response.json().ticket as string
  }
  const context = { origin: 'https://example.com', ip: '192.0.2.1' }
  t.ok(await app.wsTickets.redeem(await ask({ origin: context.origin }), context))
  t.equal(await app.wsTickets.redeem(await ask({ origin: context.origin }), { ...context, origin: 'https://evil.example' }), null)
  t.equal(await app.wsTickets.redeem(await ask({ origin: context.origin }), { ...context, ip: '192.0.2.2' }), null)
  t.ok(await app.wsTickets.redeem(await ask({}), { ip: context.ip }), 'a request without an Origin gets a ticket bound to the address only')
})

t.test('no ticket in any log line', async t => {
  const { lines, options } = logged()
  const app = await build(t, {}, options)
  const response = await app.inject({ ...POST, headers: signedIn(app) })
  const { ticket } = response.json()
  await app.wsTickets.redeem(ticket)
  await app.wsTickets.redeem(ticket)
  t.match(lines.join(''), '/ws/ticket', 'the request was logged')
  t.notMatch(lines.join(''), ticket)
})

t.test('an application may replace issue()', async t => {
  const app = await build(t)
  const { issue } = app.wsTickets
  const asked: string[] = []
  app.wsTickets.issue = async (subject, options) => {
    asked.push(subject)
    return await issue.call(app.wsTickets, subject, options)
  }
  t.equal((await app.inject({ ...POST, headers: signedIn(app) })).statusCode, 201)
  t.same(asked, ['alice'])
})

t.test('claims that never come are answered with 503, and a subject that is a promise with 401', async t => {
  const { lines, options } = logged()
  const set = clock(t)
  const never = (): Promise<never> => {
    setImmediate(() => { set.ahead += 600_000 })
    return new Promise(() => {})
  }
  const app = await build(t, { route: { hookTimeout: 600_000, claims: never } }, options)
  // Keeps the process alive: deadlines do not.
  await app.listen({ port: 0, host: '127.0.0.1' })
  const ask = async () => await app.inject({ method: 'POST', url: '/ws/ticket', headers: signedIn(app) })
  for (let times = 0; times < 2; times++) t.match(await ask(), { statusCode: 503, headers: { 'retry-after': '1' } })
  t.equal(lines.filter(line => line.includes('route.claims had no answer within route.hookTimeout')).length, 1)

  const other = await build(t, { route: { subject: (async () => { throw new Error('broken') }) as never } })
  t.match(await other.inject({ method: 'POST', url: '/ws/ticket', headers: signedIn(other) }), { statusCode: 401 })
})

t.test('claims that are there at once go into the ticket', async t => {
  const app = await build(t, { route: { claims: () => ({ role: 'admin' }) } })
  const { ticket } = (await app.inject({ method: 'POST', url: '/ws/ticket', headers: signedIn(app) })).json()
  t.match(await app.wsTickets.redeem(ticket), { claims: { role: 'admin' } })
})

t.test('what authenticate throws is an answer of its own, and never the body of a 200', async t => {
  const table: Array<[thrown: unknown, status: number, message: RegExp]> = [
    [{ statusCode: 401, message: 'Sign in', internal: 'of a table' }, 401, /^Sign in$/],
    [{ ticket: 'abc' }, 500, /^Expected an Error/],
    ['text', 500, /^Expected an Error/],
    [42, 500, /^Expected an Error/],
    [Symbol('s'), 500, /^Expected an Error/],
    [Object.assign(new Error('teapot'), { statusCode: 418 }), 418, /^teapot$/],
    [{ code: 'ECONNREFUSED' }, 503, /not available/]
  ]
  for (const [thrown, status, message] of table) {
    const app = await build(t, { route: { subject: () => 'alice', authenticate: async () => { throw thrown } } })
    const response = await app.inject(POST)
    t.equal(response.statusCode, status, String(thrown))
    t.match(response.json(), { statusCode: status, message })
    t.notMatch(response.body, /of a table|abc/)
  }
})
