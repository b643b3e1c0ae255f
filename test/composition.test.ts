import { ticket } from '@fastify-airlock/guard'
import { MemoryStore } from '@fastify-airlock/ticket'
import t from 'tap'
import { WebSocket } from 'ws'
import { build, connect, listen, outcomes, until } from './helpers.js'

t.test('the main job: log in, ticket, upgrade, first frame, individual messages, broadcast', async t => {
  const { app, log } = await build(t)
  app.get('/chat', { websocket: true, preValidation: app.wsGuard() }, app.wsHandshake((socket, request) => {
    socket.send(JSON.stringify({ type: 'hello', to: request.wsIdentity.subject }))
    socket.on('message', data => socket.send(data as Buffer))
  }))
  // Somebody else's sockets on the same server: not authenticated, in websocketServer.clients all the same.
  app.get('/open', { websocket: true }, () => {})
  const { sign, connect, origin } = await listen(t, app)
  const token = sign('alice')

  t.equal((await app.inject({ method: 'POST', url: '/ws/ticket' })).statusCode, 401)
  const byHeader = await app.inject({ method: 'POST', url: '/ws/ticket', headers: { authorization: `Bearer ${token}` } })
  const byCookie = await app.inject({ method: 'POST', url: '/ws/ticket', cookies: { session: token } })
  t.equal(byHeader.statusCode, 201)
  t.equal(byHeader.headers['cache-control'], 'no-store')
  t.match(byCookie.json(), { ticket: /^[\w-]{43}$/, expiresIn: 30, protocol: 'airlock.v1' })

  const stranger = await connect('/open')
  const silent = await connect('/chat', ['airlock.v1', `ticket.${byCookie.json().ticket}`])
  const alice = await connect('/chat', ['airlock.v1', `ticket.${byHeader.json().ticket}`], { origin })
  t.equal(alice.socket.protocol, 'airlock.v1')
  t.equal(app.wsHub.count(), 0)

  // Sent before the answer: kept, and answered after it.
  alice.send({ type: 'auth', token })
  alice.send({ type: 'echo', n: 1 })
  t.match(await alice.next(), { type: 'auth_ok', user: { id: 'alice' }, expiresAt: Number })
  t.match(await alice.next(), { type: 'hello', to: 'alice' })
  t.match(await alice.next(), { type: 'echo', n: 1 })

  t.equal(app.wsHub.broadcast({ type: 'news' }), 1)
  t.match(await alice.next(), { type: 'news' })
  silent.send({ type: 'auth', token })
  t.match(await silent.next(), { type: 'auth_ok' }, 'before it was authenticated it got nothing')
  t.match(await silent.next(), { type: 'hello' })

  t.equal(app.wsHub.disconnect('alice'), 2)
  t.equal(await alice.closed, '4403 disconnected')
  t.equal(await silent.closed, '4403 disconnected')
  await until(() => app.wsHub.count() === 0)
  t.equal(stranger.socket.readyState, WebSocket.OPEN)

  await app.close()
  t.equal(await stranger.closed, '1012 service restart')
  const text = log.join('')
  t.notMatch(text, byHeader.json().ticket)
  t.notMatch(text, token)
})

t.test('the doors belong together: the second opens to the ticket\'s subject only', async t => {
  const { app } = await build(t)
  app.get('/ws', { websocket: true, preValidation: app.wsGuard() }, app.wsHandshake(socket => socket.send('"never"')))
  const { sign, connect } = await listen(t, app)
  const { ticket } = await app.wsTickets.issue('alice')
  const client = await connect(`/ws?ticket=${ticket}`)
  client.send({ type: 'auth', token: sign('bob') })
  t.match(await client.next(), { type: 'auth_error', code: 4403, reason: 'subject mismatch', retry: false })
  t.equal(await client.closed, '4403 subject mismatch')
})

t.test('claims of the ticket and of the token come together', async t => {
  const { app } = await build(t)
  app.get('/ws', { websocket: true, preValidation: app.wsGuard() }, app.wsHandshake((socket, { wsIdentity }) => {
    socket.send(JSON.stringify(wsIdentity.claims))
  }))
  const { sign, connect } = await listen(t, app)
  const { ticket } = await app.wsTickets.issue('alice', { claims: { room: 7, role: 'ticket' } })
  const client = await connect(`/ws?ticket=${ticket}`)
  client.send({ type: 'jwt', token: sign('alice', { role: 'token' }) })
  t.match(await client.next(), { type: 'auth_ok' })
  t.match(await client.next(), { room: 7, role: 'token', sub: 'alice' })
})

t.test('of many upgrades with one ticket one is admitted', async t => {
  const { app } = await build(t)
  app.get('/ws', { websocket: true, preValidation: app.wsGuard() }, app.wsHandshake(() => {}))
  const { connect } = await listen(t, app)
  for (let round = 0; round < 5; round++) {
    const { ticket } = await app.wsTickets.issue('alice')
    t.match(await outcomes(Array.from({ length: 40 }, async () => await connect(`/ws?ticket=${ticket}`))), {
      succeeded: 1, failures: ['HTTP 401 WSA_GUARD_ERR_INVALID_CREDENTIAL']
    })
  }
  const { ticket } = await app.wsTickets.issue('alice', { reuse: true })
  t.match(await outcomes(Array.from({ length: 10 }, async () => await connect(`/ws?ticket=${ticket}`))), { succeeded: 10 }, 'a reusable one admits all')
})

t.test('a ticket expires, and is bound to its audience, Origin and address', async t => {
  let now = Date.now()
  const { app } = await build(t, { now: () => now })
  app.get('/a', { websocket: true, preValidation: app.wsGuard({ authenticate: ticket({ audience: 'a' }) }) }, app.wsHandshake(() => {}))
  app.get('/b', { websocket: true, preValidation: app.wsGuard({ authenticate: ticket({ audience: 'b' }) }) }, app.wsHandshake(() => {}))
  const { connect, origin } = await listen(t, app)
  const refused = { message: 'HTTP 401 WSA_GUARD_ERR_INVALID_CREDENTIAL' }
  const attempt = async (path: string, { ticket }: { ticket: string }, options = {}) => await connect(`${path}?ticket=${ticket}`, [], options)

  const late = await app.wsTickets.issue('alice', { audience: 'a', ttl: 1_000 })
  now += 1_000
  await t.rejects(attempt('/a', late), refused)

  const forA = await app.wsTickets.issue('alice', { audience: 'a' })
  await t.rejects(attempt('/b', forA), refused)
  await attempt('/a', forA)

  await attempt('/a', await app.wsTickets.issue('alice', { audience: 'a', origin, ip: '127.0.0.1' }), { origin })
  await t.rejects(attempt('/a', await app.wsTickets.issue('alice', { audience: 'a', origin: 'https://other.test' }), { origin }), refused)
  await t.rejects(attempt('/a', await app.wsTickets.issue('alice', { audience: 'a', ip: '192.0.2.1' })), refused)
})

t.test('the ticket route and the guard agree on a bound Origin and address', async t => {
  const { app } = await build(t, { bindOrigin: true, bindAddress: true })
  app.get('/ws', { websocket: true, preValidation: app.wsGuard() }, app.wsHandshake(() => {}))
  const { sign, connect, origin } = await listen(t, app)
  const response = await fetch(`${origin}/ws/ticket`, { method: 'POST', headers: { origin, authorization: `Bearer ${sign('alice')}` } })
  const { ticket } = await response.json() as { ticket: string }
  await connect(`/ws?ticket=${ticket}`, [], { origin })
})

t.test('tickets that cannot be checked refuse with 503 and Retry-After, not with 401', async t => {
  class Away extends MemoryStore {
    override take (): never { throw new Error('away') }
  }
  const { app, log } = await build(t, { store: new Away() })
  app.get('/ws', { websocket: true, preValidation: app.wsGuard() }, app.wsHandshake(() => {}))
  const { connect } = await listen(t, app)
  const { ticket } = await app.wsTickets.issue('alice')
  await t.rejects(connect(`/ws?ticket=${ticket}`), { message: 'HTTP 503 WSA_TICKET_ERR_UNAVAILABLE', headers: { 'retry-after': '1' } })
  t.notMatch(log.join(''), ticket)
})

t.test('routes with different purposes, and authorization by role', async t => {
  const { app } = await build(t)
  const seen: string[] = []
  const authorize = ({ claims }: { claims: { role?: unknown } }) => claims.role === 'admin'
  app.get('/admin', { websocket: true, preValidation: app.wsGuard() }, app.wsHandshake((socket) => {
    socket.on('message', data => seen.push(`admin ${String(data)}`))
  }, { authorize }))
  app.get('/room', { websocket: true, preValidation: app.wsGuard() }, app.wsHandshake((socket) => {
    socket.on('message', data => {
      seen.push(`room ${String(data)}`)
      socket.send('{}')
    })
  }, { authorizeMessage: ({ claims }, data) => claims.role === 'admin' || !data.includes('delete') }))
  const { sign, connect } = await listen(t, app)
  const enter = async (path: string, role: string) => {
    const { ticket } = await app.wsTickets.issue('alice')
    const client = await connect(`${path}?ticket=${ticket}`)
    client.send({ type: 'auth', token: sign('alice', { role }) })
    const answer = await client.next()
    return { ...client, answer }
  }
  t.match((await enter('/admin', 'admin')).answer, { type: 'auth_ok' })
  const refused = await enter('/admin', 'user')
  t.match(refused.answer, { type: 'auth_error', code: 4403 })
  t.equal(await refused.closed, '4403 not authorized')
  const user = await enter('/room', 'user')
  user.socket.send('read')
  await user.next()
  user.socket.send('delete')
  t.match(await user.next(), { type: 'auth_error', code: 4403 })
  t.equal(await user.closed, '4403 not authorized')
  t.same(seen, ['room read'])
})

t.test('a peer that is reset in the middle of each phase leaves nothing behind', async t => {
  const { app } = await build(t)
  let entered = 0
  app.get('/ws', { websocket: true, preValidation: app.wsGuard() }, app.wsHandshake(() => { entered++ }, {
    authorize: async () => await new Promise(resolve => setTimeout(resolve, 5, true))
  }))
  const { sign, port } = await listen(t, app)
  const token = sign('alice')
  for (let round = 0; round < 60; round++) {
    const { ticket } = await app.wsTickets.issue('alice')
    const client = await connect(t, `ws://127.0.0.1:${port}/ws?ticket=${ticket}`)
    if (round % 3 > 0) client.send({ type: 'auth', token })
    if (round % 3 > 1) await client.next()
    client.socket.terminate()
  }
  await until(() => app.websocketServer.clients.size === 0 && app.wsHub.count() === 0)
  t.ok(entered >= 20)
  t.equal(app.wsGuard.pending, 0)
})
