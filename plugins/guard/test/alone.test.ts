import websocket from '@fastify/websocket'
import Fastify from 'fastify'
import t from 'tap'
import wsGuard, { jwt, ticket } from '../src/index.js'
import { attempt, listen, route } from './helpers.js'

t.test('on a bare Fastify with nothing but @fastify/websocket', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket)
  await app.register(wsGuard)
  route(app, {
    authenticate: async ({ headers }) => headers['x-user'] === undefined ? null : { subject: String(headers['x-user']), expiresAt: 5 }
  })
  const port = await listen(app)
  t.match(await attempt(port, '/ws', [], { headers: { 'x-user': 'u7' } }), {
    status: 101, identity: { subject: 'u7', claims: {}, expiresAt: 5 }
  })
  t.match(await attempt(port, '/ws'), { status: 401, code: 'WSA_GUARD_ERR_INVALID_CREDENTIAL' })
  await app.close()
  t.equal(app.wsGuard.pending, 0)
})

t.test('injectWS, which has neither an address nor a TCP socket', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket)
  await app.register(wsGuard)
  route(app, { authenticate: request => request.headers['x-user'] === 'u1' ? { subject: 'u1' } : null })
  await app.ready()
  const client = await app.injectWS('/ws', { headers: { 'x-user': 'u1' } })
  client.terminate()
  await t.rejects(app.injectWS('/ws'), { message: 'Unexpected server response: 401' })
  await app.close()
  t.equal(app.wsGuard.pending, 0)
})

t.test('registration without @fastify/websocket fails with the cure', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await t.rejects(async () => { await app.register(wsGuard) }, { code: 'WSA_GUARD_ERR_OPTION', message: /@fastify\/websocket/ })
})

t.test('options are checked at registration and when a guard is made', async t => {
  const make = async (registration: object, options: object) => {
    const app = Fastify()
    t.teardown(() => app.close())
    await app.register(websocket)
    await app.register(wsGuard, registration)
    app.wsGuard(options)
  }
  const ok = { authenticate: () => null }
  await make({ upgradeTimeout: 1, pendingPerAddress: 1, ...ok }, { allowedOrigins: [], protocols: ['a'], missingOrigin: 'deny' })
  const cases: Array<[object, object, RegExp]> = [
    [{ upgradeTimeout: 0 }, ok, /upgradeTimeout/],
    [{ pendingPerAddress: 1.5 }, ok, /pendingPerAddress/],
    [{ alowedOrigins: [] }, ok, /alowedOrigins/],
    [{}, { ...ok, upgradeTimeout: 5 }, /upgradeTimeout/],
    [{}, { authenticate: [] }, /authenticate/],
    [{}, { authenticate: 'ticket' }, /authenticate\.0: Expected ticket\(\)/],
    [{}, { authenticate: [null] }, /authenticate\.0/],
    [{}, { ...ok, allowedOrigins: ['example.com'] }, /allowedOrigins: "example\.com" is not an origin/],
    [{}, { ...ok, allowedOrigins: [5] }, /allowedOrigins\.0/],
    [{}, { ...ok, missingOrigin: 'maybe' }, /missingOrigin/],
    [{}, { ...ok, protocols: ['ticket.x'] }, /protocols\.0: A carrier is never selected/],
    [{}, {}, /@fastify-airlock\/ticket/],
    [{}, { authenticate: jwt() }, /@fastify\/jwt/]
  ]
  for (const [registration, options, message] of cases) {
    await t.rejects(make(registration, options), { code: 'WSA_GUARD_ERR_OPTION', message }, String(message))
  }
  t.throws(() => jwt({ algoritms: ['HS256'] } as object), { code: 'WSA_GUARD_ERR_OPTION', message: /algoritms/ })
  t.throws(() => ticket({ cookie: true } as object), { code: 'WSA_GUARD_ERR_OPTION', message: /cookie/ })
})
