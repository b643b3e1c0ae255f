import rateLimit from '@fastify/rate-limit'
import websocket from '@fastify/websocket'
import { websocketOptions } from '@fastify-airlock/core'
import Fastify from 'fastify'
import { once } from 'node:events'
import t from 'tap'
import wsGuard from '../src/index.js'
import { attempt, build, listen, openConnections, raw, route, TICKET, until, upgradeHead } from './helpers.js'

// These clients never close by themselves: `text` resolves only when the server ends the connection.

/** A deadline so long that it closes no socket in these tests. */
const patient = { upgradeTimeout: 600_000 }

t.test('leak a: a reply from a hook that was added before @fastify/websocket', async t => {
  const app = await build(t, {
    guard: patient,
    before: app => app.addHook('onRequest', async (_request, reply) => reply.code(429).send({ code: 'EARLY' }))
  })
  route(app)
  const port = await listen(app)
  t.match(await (await raw(t, port, upgradeHead('/ws'))).text, /^HTTP\/1\.1 429 [^]*EARLY/)
  await until(async () => await openConnections(app) === 0)
  t.equal(app.wsGuard.pending, 0)
})

t.test('leak b: a malformed URL', async t => {
  const app = await build(t, { guard: patient })
  route(app)
  const port = await listen(app)
  t.match(await (await raw(t, port, upgradeHead('/%'))).text, /^HTTP\/1\.1 400 [^]*FST_ERR_BAD_URL/)
  await until(async () => await openConnections(app) === 0)
  t.equal(app.wsGuard.pending, 0)
})

t.test('leak c: 503 while closing, and close resolves', async t => {
  const app = await build(t, { guard: patient })
  route(app, { authenticate: () => ({ subject: 'u1' }) })
  // After the WebSockets are closed, and before the server stops to listen.
  app.addHook('preClose', async () => {
    peer.socket.write(upgradeHead('/ws'))
    t.match(await peer.text, /^HTTP\/1\.1 503 /)
  })
  const port = await listen(app)
  // The connection is open before close() begins, like that of a proxy.
  const peer = await raw(t, port, '')
  await until(async () => await openConnections(app) === 1)
  await app.close()
  t.equal(app.wsGuard.pending, 0)
})

t.test('what comes while the WebSockets are closed is read before the server stops: Node 26 would reset it', async t => {
  const app = await build(t, { guard: patient })
  await listen(app)
  let turns = 0
  let counting = true
  const count = (): void => {
    if (!counting) return
    turns++
    setImmediate(count)
  }
  app.websocketServer.once('close', () => { setImmediate(count) })
  const { close } = app.server
  app.server.close = function (...args) {
    counting = false
    return close.apply(this, args)
  }
  await app.close()
  t.ok(turns >= 2, `${turns} turns`)
})

t.test('an upgrade that nobody answers any more is 503, unless another WebSocket server may answer it', async t => {
  const app = await build(t, { guard: patient })
  const port = await listen(app)
  // What @fastify/websocket does while it closes.
  for (const listener of app.server.listeners('upgrade').slice(1, -1)) app.server.off('upgrade', listener as () => void)
  t.match(await (await raw(t, port, upgradeHead('/ws'))).text, /^HTTP\/1\.1 503 /)
  app.server.on('upgrade', (_request, socket) => { socket.end('mine', () => socket.destroy()) })
  t.equal(await (await raw(t, port, upgradeHead('/ws'))).text, 'mine')
  await until(() => app.wsGuard.pending === 0)
})

t.test('leak d: @fastify/websocket in a child scope, an upgrade outside of it', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  app.get('/outside', async () => 'plain')
  await app.register(async child => {
    await child.register(websocket, websocketOptions())
    await child.register(wsGuard, patient)
    child.get('/inside', { websocket: true, preValidation: child.wsGuard({ authenticate: () => ({ subject: 'u1' }) }) }, socket => { socket.send('null') })
  })
  const port = await listen(app)
  t.match(await (await raw(t, port, upgradeHead('/outside'))).text, /^HTTP\/1\.1 200 [^]*plain/)
  t.match(await attempt(port, '/inside'), { status: 101 })
  await until(async () => await openConnections(app) === 0)
  await app.close()
})

t.test('a hook that hangs: 503 at the deadline, and its late answer does nothing', async t => {
  let finish = (): void => {}
  const app = await build(t, { guard: { upgradeTimeout: 150 } })
  route(app, {
    authenticate: async () => {
      await new Promise<void>(resolve => { finish = resolve })
      return { subject: 'u1' }
    }
  })
  const port = await listen(app)
  const start = performance.now()
  const text = await (await raw(t, port, upgradeHead('/ws'))).text
  t.ok(performance.now() - start >= 150)
  t.match(text, /^HTTP\/1\.1 503 [^]*retry-after: 1[^]*WSA_GUARD_ERR_TIMEOUT/)
  await until(async () => await openConnections(app) === 0)
  finish()
  await new Promise(resolve => setImmediate(resolve))
  t.equal(app.websocketServer.clients.size, 0)
  t.equal(app.wsGuard.pending, 0)
})

t.test('a response that has begun and never ends is closed at the deadline', async t => {
  const app = await build(t, { guard: { upgradeTimeout: 100 } })
  app.get('/begun', {
    websocket: true,
    preValidation: (_request, reply, _done) => { reply.raw.writeHead(401).write('partial') }
  }, () => {})
  const port = await listen(app)
  const peer = await raw(t, port, upgradeHead('/begun'))
  t.match(await peer.text, /^HTTP\/1\.1 401 [^]*partial/)
  await until(async () => await openConnections(app) === 0)
})

t.test('a client that neither reads nor closes is destroyed after the refusal', async t => {
  const app = await build(t, { guard: { upgradeTimeout: 100 } })
  // Fills the buffers, so that the refusal is stuck behind it.
  app.get('/ws', {
    websocket: true,
    preValidation: (request, _reply, _done) => { request.raw.socket.write(Buffer.alloc(16 * 1024 * 1024)) }
  }, () => {})
  const port = await listen(app)
  const peer = await raw(t, port, '')
  peer.socket.pause()
  peer.socket.write(upgradeHead('/ws'))
  await until(() => app.wsGuard.pending === 1)
  await until(() => app.wsGuard.pending === 0)
  await until(async () => await openConnections(app) === 0)
  t.pass('gone')
})

t.test('close does not wait for a hook that hangs', async t => {
  const app = await build(t)
  route(app, { authenticate: async () => await new Promise<never>(() => {}) })
  const port = await listen(app)
  const peer = await raw(t, port, upgradeHead('/ws'))
  await until(() => app.wsGuard.pending === 1)
  const start = performance.now()
  await app.close()
  t.ok(performance.now() - start < 25_000)
  t.match(await peer.text, /^HTTP\/1\.1 503 [^]*WSA_GUARD_ERR_CLOSING/)
  t.equal(app.wsGuard.pending, 0)
})

t.test('a reset during an async hook does no harm and frees the place', async t => {
  let resume = (): void => {}
  const app = await build(t, { guard: { pendingPerAddress: 1 } })
  route(app, {
    authenticate: async () => {
      await new Promise<void>(resolve => { resume = resolve })
      return { subject: 'u1' }
    }
  })
  const port = await listen(app)
  const peer = await raw(t, port, upgradeHead('/ws'))
  peer.text.catch(() => {})
  await until(() => app.wsGuard.pending === 1)
  t.match(await attempt(port, '/ws'), { status: 429, code: 'WSA_GUARD_ERR_TOO_MANY' }, 'the one place is taken')
  peer.socket.resetAndDestroy()
  await until(() => app.wsGuard.pending === 0)
  resume()

  const next = raw(t, port, upgradeHead('/ws'))
  await until(() => app.wsGuard.pending === 1)
  resume()
  const { socket } = await next
  const [chunk] = await once(socket, 'data')
  t.match(chunk, /^HTTP\/1\.1 101 /, 'the place is free again, and the server works')
})

t.test('too many upgrades from one address: 429 with Retry-After; an open socket does not count', async t => {
  const app = await build(t, { guard: { pendingPerAddress: 1 }, server: { trustProxy: true } })
  route(app, { authenticate: async ({ headers }) => headers['x-hang'] === undefined ? { subject: 'u1' } : await new Promise<never>(() => {}) })
  const port = await listen(app)
  const from = (address: string) => ({ headers: { 'x-forwarded-for': address } })
  const hanging = await raw(t, port, upgradeHead('/ws', { 'X-Hang': '1', 'X-Forwarded-For': '2001:db8:1:2::1' }))
  hanging.text.catch(() => {})
  await until(() => app.wsGuard.pending === 1)
  const refused = await attempt(port, '/ws', [], from('2001:db8:1:2::2'))
  t.match(refused, { status: 429, code: 'WSA_GUARD_ERR_TOO_MANY' }, 'the same /64')
  t.equal(refused.headers['retry-after'], '1')
  t.match(await attempt(port, '/ws', [], from('2001:db8:1:3::1')), { status: 101 })
  t.match(await attempt(port, '/ws', [], from('2001:db8:1:3::1')), { status: 101 })
})

t.test('two guards on one route count as one', async t => {
  const app = await build(t, { guard: { pendingPerAddress: 1 } })
  app.get('/ws', {
    websocket: true,
    preValidation: [app.wsGuard({ authenticate: () => ({ subject: 'u1' }) }), app.wsGuard({ authenticate: () => ({ subject: 'u2' }) })]
  }, (socket, request) => { socket.send(JSON.stringify(request.wsIdentity)) })
  const port = await listen(app)
  t.match(await attempt(port, '/ws'), { status: 101, identity: { subject: 'u2' } })
  t.match(await attempt(port, '/ws'), { status: 101 })
})

t.test('with @fastify/rate-limit, registered after @fastify/websocket', async t => {
  const app = await build(t)
  await app.register(rateLimit, { max: 2, timeWindow: 60_000 })
  route(app)
  const port = await listen(app)
  t.match(await attempt(port, `/ws?ticket=${TICKET}`), { status: 101 })
  t.match(await attempt(port, '/ws'), { status: 401 })
  t.match(await attempt(port, '/ws'), { status: 429 })
  await until(async () => await openConnections(app) === 0)
})
