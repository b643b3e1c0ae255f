import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import wsGuard from '@fastify-airlock/guard'
import websocket from '@fastify/websocket'
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import wsIntrospect, { type CarrierOptions, type WsIntrospectOptions } from '../src/index.js'
import { build, connect, credentials, listen, startAuthority, until } from './helpers.js'

/** Makes an app with the guard and a route `/ws`, whose connections are watched and send their identity on request. */
async function guarded (t: Test, options: Partial<WsIntrospectOptions> = {}, carriers?: CarrierOptions) {
  const authority = await startAuthority(t)
  const built = await build(t, { endpoint: authority.endpoint, ...credentials, cookie: 'ext_token', query: 'token', ...options } as WsIntrospectOptions)
  const { app } = built
  await app.register(wsGuard)
  app.get('/ws', {
    websocket: true, preValidation: app.wsGuard({ authenticate: app.wsIntrospect.authenticator(carriers), protocols: ['chat'] })
  }, (socket, request) => {
    socket.on('message', () => socket.send(JSON.stringify(request.wsIdentity)))
    app.wsIntrospect.watch(socket, request)
  })
  const port = await listen(app)
  return { ...built, authority, port }
}

type Client = ReturnType<typeof connect>

/** Returns the client's identity on the server, read in a message handler long after the upgrade. */
async function who ({ client }: Client) {
  if (client.readyState === client.CONNECTING) await once(client, 'open')
  client.send('who')
  const [data] = await once(client, 'message')
  return JSON.parse(String(data))
}

t.test('alone with @fastify/websocket, one hook serves HTTP and upgrades', async t => {
  const authority = await startAuthority(t)
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket)
  await app.register(wsIntrospect, { endpoint: authority.endpoint, ...credentials, query: 'token', timeout: 30_000 })
  const preValidation = app.wsIntrospect.authenticate
  app.get('/me', { preValidation }, async request => request.wsIdentity?.subject)
  app.get('/ws', { websocket: true, preValidation }, (socket, request) => {
    socket.on('message', () => socket.send(JSON.stringify(request.wsIdentity)))
    app.wsIntrospect.watch(socket, request)
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const token = authority.issue()

  t.equal(await (await fetch(`http://127.0.0.1:${port}/me?token=${token}`)).text(), 'alice')
  const client = connect(t, port, `/ws?token=${token}`)
  t.match(await who(client), { subject: 'alice', claims: { name: 'Alice' } })
  t.equal(authority.asked, 1, 'the answer was cached for the upgrade')
  t.equal(app.wsIntrospect.size, 1)
  t.match(await connect(t, port, '/ws').refused, { status: 401, code: 'WSA_INTROSPECT_ERR_NO_TOKEN' })
  t.match(await connect(t, port, '/ws?token=bad').refused, { status: 401, code: 'WSA_INTROSPECT_ERR_INVALID_TOKEN' })
  t.match(await connect(t, port, `/ws?token=${token}`, [], { headers: { authorization: `Bearer ${token}` } }).refused, { status: 400 })

  authority.store.revoke(token)
  t.same(await app.wsIntrospect.recheck('alice'), { kept: 0, closed: 1, unknown: 0 })
  t.strictSame(await client.closed, { code: 4403, reason: 'token revoked' })
  t.equal((await fetch(`http://127.0.0.1:${port}/me?token=${token}`)).status, 401)
  await until(() => app.wsIntrospect.size === 0)
})

t.test('the guard takes the token from every carrier', async t => {
  const { port, authority } = await guarded(t)
  const token = authority.issue()
  const origin = `http://127.0.0.1:${port}`
  for (const client of [
    connect(t, port, `/ws?token=${token}`),
    connect(t, port, '/ws', [], { origin, headers: { cookie: `ext_token=${token}` } }),
    connect(t, port, '/ws', ['chat', `bearer.${token}`]),
    connect(t, port, '/ws', [], { headers: { authorization: `Bearer ${token}` } })
  ]) {
    t.match(await who(client), { subject: 'alice', claims: { active: true, role: 'user' }, expiresAt: Number })
    t.notMatch(client.client.protocol, /bearer/)
  }
  t.equal(authority.asked, 1)
  t.match(await connect(t, port, '/ws').refused, { status: 401, code: 'WSA_GUARD_ERR_NO_CREDENTIAL' })
  t.match(await connect(t, port, '/ws?token=bad').refused, { status: 401, code: 'WSA_GUARD_ERR_INVALID_CREDENTIAL' })
  const both = { headers: { authorization: `Bearer ${token}` } }
  t.match(await connect(t, port, `/ws?token=${token}`, [], both).refused, { status: 400, code: 'WSA_GUARD_ERR_MULTIPLE_CREDENTIALS' })
  const foreign = { origin: 'https://evil.example', headers: { cookie: `ext_token=${token}` } }
  t.match(await connect(t, port, '/ws', [], foreign).refused, { status: 403, code: 'WSA_GUARD_ERR_ORIGIN' })
})

t.test('a route can have its own carriers', async t => {
  const { app, port, authority } = await guarded(t, {}, { cookie: false, query: 'ticket', header: false, subprotocol: false })
  const token = authority.issue()
  t.match(await who(connect(t, port, `/ws?ticket=${token}`)), { subject: 'alice' })
  t.match(await connect(t, port, `/ws?token=${token}`).refused, { status: 401 })
  t.same(app.wsIntrospect.authenticator().carriers, { header: true, subprotocol: 'bearer.', cookie: 'ext_token', query: 'token' })
  t.same(app.wsIntrospect.authenticator({ header: false, cookie: false }).carriers, { header: false, subprotocol: 'bearer.', query: 'token' })
  t.throws(() => app.wsIntrospect.authenticator({ coookie: 'x' } as object), { code: 'WSA_INTROSPECT_ERR_OPTION', message: /coookie/ })
  t.throws(
    () => app.wsIntrospect.authenticator({ header: false, cookie: false, query: false, subprotocol: false }),
    { code: 'WSA_INTROSPECT_ERR_OPTION' }
  )
})

t.test('while the authority is away, an upgrade gets 503 with Retry-After, never a 101', async t => {
  const { port, authority } = await guarded(t)
  const token = authority.issue()
  await authority.stop()
  const { status, headers, code } = await connect(t, port, `/ws?token=${token}`).refused
  t.match([status, headers['retry-after'], code], [503, '1', 'WSA_INTROSPECT_ERR_UNAVAILABLE'])
  await authority.start()
  t.match(await who(connect(t, port, `/ws?token=${token}`)), { subject: 'alice' })
})

t.test('a revocation closes the connection of its subject in the background, and no other', async t => {
  const { app, port, authority } = await guarded(t, { recheckInterval: 200, cacheTtl: 50 })
  const [mine, other, bobs] = [authority.issue(), authority.issue(), authority.issue('bob')]
  const [one, two, three] = [mine, other, bobs].map(token => connect(t, port, `/ws?token=${token}`)) as [Client, Client, Client]
  await Promise.all([one, two, three].map(who))
  t.equal(app.wsIntrospect.size, 3)
  const start = authority.asked
  await until(() => authority.asked >= start + 3)
  t.equal(app.wsIntrospect.size, 3)
  authority.store.revoke(mine)
  t.strictSame(await one.closed, { code: 4403, reason: 'token revoked' })
  t.match(await who(two), { subject: 'alice' })
  t.match(await who(three), { subject: 'bob' })
  t.equal(app.wsIntrospect.stats.closed, 1)
})

t.test('a token that expires closes the connection', async t => {
  const { port, authority } = await guarded(t)
  const token = authority.issue('alice', 3)
  const client = connect(t, port, `/ws?token=${token}`)
  const { expiresAt } = await who(client)
  t.strictSame(await client.closed, { code: 4401, reason: 'token expired' })
  t.ok(Date.now() >= expiresAt, 'not too early')
})

t.test('connections are kept while the authority is away', async t => {
  const { app, port, authority } = await guarded(t, { recheckInterval: 100, cacheTtl: 0 })
  const client = connect(t, port, `/ws?token=${authority.issue()}`)
  await who(client)
  await authority.stop()
  const { failed } = app.wsIntrospect.stats
  await until(() => app.wsIntrospect.stats.failed > failed)
  t.match(await who(client), { subject: 'alice' }, 'still here')
  t.same(await app.wsIntrospect.recheck('alice'), { kept: 0, closed: 0, unknown: 1 })
  await authority.start()
  await until(async () => (await app.wsIntrospect.recheck('alice')).kept === 1)
  t.match(await who(client), { subject: 'alice' }, 'and back')
})

t.test('connections are closed when the authority is away for too long', async t => {
  const { app, port, authority } = await guarded(t, { recheckInterval: 100, cacheTtl: 0, maxStale: 500 })
  const client = connect(t, port, `/ws?token=${authority.issue()}`)
  await who(client)
  const start = performance.now()
  t.same(await app.wsIntrospect.recheck('alice'), { kept: 1, closed: 0, unknown: 0 })
  await authority.stop()
  t.strictSame(await client.closed, { code: 1013, reason: 'token cannot be checked' })
  t.ok(performance.now() - start >= 500, 'not too early')
})

t.test('later answers of the authority update the identity of the connection', async t => {
  let role = 'user'
  const { app } = await build(t, { lookup: token => ({ subject: token, claims: { role } }), query: 'token' })
  app.get('/ws', { websocket: true, preValidation: app.wsIntrospect.authenticate }, (socket, request) => {
    socket.on('message', () => socket.send(JSON.stringify(request.wsIdentity)))
    app.wsIntrospect.watch(socket, request)
  })
  const port = await listen(app)
  const client = connect(t, port, '/ws?token=alice')
  t.match(await who(client), { subject: 'alice', claims: { role: 'user' } })
  role = 'admin'
  t.same(await app.wsIntrospect.recheck('alice'), { kept: 1, closed: 0, unknown: 0 })
  t.match(await who(client), { subject: 'alice', claims: { role: 'admin' } })
})

t.test('watch requires a request that was authenticated here', async t => {
  const { app } = await build(t, { lookup: () => null })
  const outcomes: unknown[] = []
  app.get('/ws', { websocket: true }, (socket, request) => {
    try {
      app.wsIntrospect.watch(socket, request)
    } catch (error) {
      outcomes.push(error)
    }
    socket.close()
  })
  const { closed } = connect(t, await listen(app), '/ws')
  await closed
  t.match(outcomes, [{ code: 'WSA_INTROSPECT_ERR_NOT_AUTHENTICATED', statusCode: 500 }])
})

t.test('unwatch works, and nothing is left when the server closes', async t => {
  const { app, port, authority } = await guarded(t)
  const sockets = app.websocketServer.clients
  const clients = [connect(t, port, `/ws?token=${authority.issue()}`), connect(t, port, `/ws?token=${authority.issue()}`)]
  await Promise.all(clients.map(who))
  const [first] = sockets
  t.equal(app.wsIntrospect.unwatch(first as never), true)
  t.equal(app.wsIntrospect.unwatch(first as never), false)
  t.equal(app.wsIntrospect.size, 1)
  await app.close()
  t.equal(app.wsIntrospect.size, 0)
  for (const { closed } of clients) t.match(await closed, { code: 1012 })
})

t.test('injectWS works without TCP', async t => {
  const { app } = await build(t, { lookup: token => token === 'good' ? { subject: 'alice' } : null, query: 'token' })
  app.get('/ws', { websocket: true, preValidation: app.wsIntrospect.authenticate }, (socket, request) => {
    socket.send(String(app.wsIntrospect.watch(socket, request)))
  })
  await app.ready()
  const said = new Promise(resolve => {
    app.injectWS('/ws?token=good', {}, {
      onInit: client => {
        t.teardown(() => client.terminate())
        client.once('message', data => resolve(String(data)))
      }
    }).catch(() => {})
  })
  t.equal(await said, 'true')
  await t.rejects(app.injectWS('/ws?token=bad'), { message: 'Unexpected server response: 401' })
})

t.test('no token is in a log line, accepted or refused', async t => {
  const { app, port, authority, lines, me } = await guarded(t, { recheckInterval: 100, cacheTtl: 0, maxStale: 300 })
  const tokens = [authority.issue(), authority.issue(), authority.issue(), 'an-unknown-token-0123456789']
  const [first, second] = tokens as [string, string]
  // Fastify itself logs URLs; for those the guard has its serializers.
  const headers = (token: string) => ({ headers: { authorization: `Bearer ${token}` } })
  const revoked = connect(t, port, '/ws', [], headers(first))
  await who(revoked)
  authority.store.revoke(first)
  await revoked.closed
  await connect(t, port, '/ws', [], headers(tokens[3] as string)).refused
  const stale = connect(t, port, '/ws', [], headers(second))
  await who(stale)
  await authority.stop()
  t.match(await stale.closed, { code: 1013 })
  for (const token of tokens) t.not((await me(token)).status, 200)
  await app.close()
  const log = lines.join('')
  t.match(log, /the authority cannot be asked about tokens/)
  for (const secret of [...tokens, credentials.clientSecret]) t.notOk(log.includes(secret))
})
