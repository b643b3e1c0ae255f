// Runs alone: the audit trail is that of the whole process.
import auth from '@fastify/auth'
import fastifyJwt from '@fastify/jwt'
import { type Trail, trailKey } from '@fastify-airlock/core'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { Recorder, typesOf } from '../../../test/audit.js'
import { createSourceOf } from '../src/audit.js'
import { jwt } from '../src/index.js'
import { attempt, build, type BuildOptions, listen, raw, route, TICKET, ticketsOf, until, upgradeHead } from './helpers.js'

const OPEN = { missingOrigin: 'allow' } as const

async function start (t: Test, options: BuildOptions = {}) {
  const recorder = new Recorder(t)
  const app = await build(t, { ...options, guard: { ...OPEN, ...options.guard } })
  return { recorder, app }
}

t.test('each upgrade is decided on once: admitted, refused by the guard, by something else, or by nobody', async t => {
  const { recorder, app } = await start(t)
  route(app)
  app.get('/twice', { websocket: true, preValidation: [app.wsGuard(), app.wsGuard()] }, socket => { socket.send('{}') })
  app.get('/open', { websocket: true }, socket => { socket.send('{}') })
  app.get('/slow', { websocket: true, onRequest: async () => await new Promise(resolve => setImmediate(resolve)) }, socket => { socket.send('{}') })
  app.get('/later', { websocket: true, preValidation: app.wsGuard(), preHandler: async (_request, reply) => reply.code(418).send('no') }, () => {})
  app.get('/first', { websocket: true, preValidation: [async (_request, reply) => reply.code(403).send('no'), app.wsGuard()] }, () => {})
  app.get('/fails', { websocket: true, preValidation: app.wsGuard({ authenticate: () => { throw Object.assign(new Error('x'), { statusCode: 503, code: 'AWAY' }) } }) }, () => {})
  app.get('/rejects', { websocket: true, preValidation: app.wsGuard({ authenticate: async () => { throw new Error('x') } }) }, () => {})
  app.get('/throws', { websocket: true, onRequest: async () => { throw Object.assign(new Error('x'), { statusCode: 402, code: 'UNPAID' }) } }, () => {})
  const port = await listen(app)
  const ticket = `?ticket=${TICKET}`
  for (const [path, expected] of [
    [`/ws${ticket}`, { type: 'upgrade.admitted', subject: 'u1', route: '/ws', address: '127.0.0.1', code: null, reason: null }],
    [`/twice${ticket}`, { type: 'upgrade.refused', status: 401, code: 'WSA_GUARD_ERR_INVALID_CREDENTIAL', subject: 'u1', reason: 'The credential is not valid' }],
    ['/ws', { type: 'upgrade.refused', status: 401, code: 'WSA_GUARD_ERR_NO_CREDENTIAL', route: '/ws', reason: 'A credential is required' }],
    ['/open', { type: 'upgrade.admitted', subject: null, route: '/open', address: '127.0.0.1' }],
    ['/slow', { type: 'upgrade.admitted', subject: null, route: '/slow', address: '127.0.0.1' }],
    [`/later${ticket}`, { type: 'upgrade.refused', status: 418, code: null, reason: null, subject: 'u1', route: '/later' }],
    ['/first', { type: 'upgrade.refused', status: 403, code: null, route: '/first' }],
    ['/fails', { type: 'upgrade.refused', status: 503, code: 'AWAY', route: '/fails' }],
    ['/rejects', { type: 'upgrade.refused', status: 500, code: null, route: '/rejects' }],
    ['/nowhere', { type: 'upgrade.refused', status: 404, code: 'FST_ERR_NOT_FOUND', reason: 'no such route', route: null, address: '127.0.0.1' }],
    // No hook runs for it.
    ['/%zz', { type: 'upgrade.refused', status: 400, code: null, route: null, address: '127.0.0.1' }],
    ['/throws', { type: 'upgrade.refused', status: 402, code: 'UNPAID', route: '/throws' }]
  ] as const) {
    ticketsOf(app).live.add(TICKET)
    await attempt(port, path)
    const events = await recorder.take(expected.type === 'upgrade.admitted' ? 2 : 1)
    t.match(events, [expected], path)
    t.same(typesOf(events), expected.type === 'upgrade.admitted' ? [expected.type, 'close'] : [expected.type], path)
  }
  t.same(recorder.events, [])
})

t.test('a client that leaves, a hook that is late, and a server that closes', async t => {
  const { recorder, app } = await start(t, { guard: { upgradeTimeout: 60_000 } })
  app.get('/hangs', { websocket: true, preValidation: app.wsGuard({ authenticate: async () => await new Promise<never>(() => {}) }) }, () => {})
  const port = await listen(app)
  const gone = await raw(t, port, upgradeHead('/hangs'))
  await until(() => app.wsGuard.pending === 1)
  gone.socket.resetAndDestroy()
  t.match(await recorder.take(1), [{ type: 'upgrade.refused', status: null, code: null, reason: 'the client has left', route: '/hangs' }])
  const waits = await raw(t, port, upgradeHead('/hangs'))
  await until(() => app.wsGuard.pending === 1)
  const closed = app.close()
  await waits.text
  await closed
  t.match(await recorder.take(1), [{ type: 'upgrade.refused', status: 503, code: 'WSA_GUARD_ERR_CLOSING' }])

  const late = await start(t, { guard: { upgradeTimeout: 20 } })
  late.app.get('/hangs', { websocket: true, onRequest: () => {} }, () => {})
  await (await raw(t, await listen(late.app), upgradeHead('/hangs'))).text
  t.match(await late.recorder.take(1), [{ type: 'upgrade.refused', status: 503, code: 'WSA_GUARD_ERR_TIMEOUT', route: '/hangs', address: '127.0.0.1' }])
})

t.test('before the router, the path is the pattern', async t => {
  for (const [server, address] of [[{}, '127.0.0.1'], [{ trustProxy: true }, null]] as const) {
    const { recorder, app } = await start(t, { server, guard: { refuseBeforeRouting: true } })
    route(app)
    const port = await listen(app)
    await attempt(port, '/ws')
    t.match(await recorder.take(1), [{ type: 'upgrade.refused', code: 'WSA_GUARD_ERR_NO_CREDENTIAL', route: '/ws', address }])
    await attempt(port, `/ws?ticket=${TICKET}`, [], { headers: { 'x-forwarded-for': '192.0.2.9' } })
    t.match(await recorder.take(2), [{ type: 'upgrade.admitted', address: address === null ? '192.0.2.9' : address }])
  }
})

t.test('where the options of a server cannot be seen, nobody knows whose address a socket has', async t => {
  t.same(createSourceOf({} as never)({ socket: { remoteAddress: '192.0.2.1' } } as never, '/ws'), { ip: undefined, routeOptions: { url: '/ws' } })
})

t.test('tickets that are redeemed at once say why as well', async t => {
  const { recorder, app } = await start(t)
  const tickets = ticketsOf(app) as ReturnType<typeof ticketsOf> & { redeemNow?: (ticket: string, context: { [trailKey]?: Trail }) => null }
  tickets.redeemNow = (_ticket, { [trailKey]: trail }) => {
    Object.assign(trail as Trail, { cause: 'it rains', ticket: 'its id' })
    return null
  }
  route(app)
  await attempt(await listen(app), `/ws?ticket=${TICKET}`)
  t.match(await recorder.take(1), [{ type: 'upgrade.refused', reason: 'it rains', ticket: 'its id' }])
})

t.test('another strategy decides after the guard', async t => {
  const { recorder, app } = await start(t)
  await app.register(auth)
  const guard = app.wsGuard({ refusalErrors: true })
  const key = async (request: { headers: Record<string, unknown> }): Promise<void> => {
    if (request.headers['x-key'] !== 'good') throw Object.assign(new Error('no'), { statusCode: 401 })
  }
  app.get('/ws', { websocket: true, preValidation: app.auth([guard, key] as never) }, socket => { socket.send('{}') })
  const port = await listen(app)
  await attempt(port, '/ws', [], { headers: { 'x-key': 'good' } })
  t.same(typesOf(await recorder.take(2)), ['upgrade.admitted', 'close'])
  await attempt(port, '/ws')
  t.match(await recorder.take(1), [{ type: 'upgrade.refused', status: 401, code: 'WSA_GUARD_ERR_NO_CREDENTIAL' }])
})

t.test('why a JWT is refused', async t => {
  const { recorder, app } = await start(t)
  await app.register(fastifyJwt, { secret: 'a secret for tests that is long enough' })
  route(app, { authenticate: jwt({ isRevoked: ({ claims }) => claims.jti === 'over' }) })
  const port = await listen(app)
  const now = Math.floor(Date.now() / 1000)
  for (const [claims, reason] of [[{ exp: now - 100 }, 'token expired'], [{ exp: now + 60, jti: 'over' }, 'token revoked'], [{ exp: now + 60, sub: 7 }, 'token invalid']] as const) {
    const token = app.jwt.sign({ sub: 'u1', ...claims } as object)
    await attempt(port, '/ws', [], { headers: { authorization: `Bearer ${token}` } })
    t.match(await recorder.take(1), [{ type: 'upgrade.refused', code: 'WSA_GUARD_ERR_INVALID_CREDENTIAL', reason }])
  }
  await attempt(port, '/ws', [], { headers: { authorization: `Bearer ${app.jwt.sign({ sub: 'u1', exp: now + 60, sid: 's1' })}` } })
  t.match(await recorder.take(2), [{ type: 'upgrade.admitted', subject: 'u1', session: 's1' }, { type: 'close', session: 's1' }])
})

t.test('who is disconnected on the way in', async t => {
  const { recorder, app } = await start(t)
  let go = (): void => {}
  const wait = async (): Promise<void> => await new Promise(resolve => { go = resolve })
  app.get('/in', { websocket: true, preValidation: app.wsGuard({ authenticate: async () => { await wait(); return { subject: 'u1' } } }) }, () => {})
  app.get('/after', { websocket: true, preValidation: app.wsGuard(), preHandler: wait }, () => {})
  const port = await listen(app)
  const visit = async (path: string): Promise<void> => {
    go = () => {}
    const idle = go
    const client = new WebSocket(`ws://127.0.0.1:${port}${path}`)
    client.on('error', () => {})
    t.teardown(() => client.terminate())
    await until(() => go !== idle)
    app.wsGuard.refuse({ subject: 'u1' })
    go()
  }
  await visit('/in')
  t.match(await recorder.take(1), [{ type: 'upgrade.refused', code: 'WSA_GUARD_ERR_INVALID_CREDENTIAL', reason: 'disconnected', subject: 'u1' }])
  await visit(`/after?ticket=${TICKET}`)
  t.match(await recorder.take(2), [{ type: 'upgrade.admitted' }, { type: 'close', code: 4403, reason: 'disconnected', by: 'server', subject: 'u1' }])
})

t.test('a subscriber that comes late misses what was before, and nothing else', async t => {
  const app = await build(t, { guard: OPEN })
  let go = (): void => {}
  app.get('/ws', { websocket: true, preValidation: app.wsGuard(), preHandler: async () => await new Promise<void>(resolve => { go = resolve }) }, socket => { socket.send('{}') })
  const port = await listen(app)
  const idle = go
  const client = attempt(port, `/ws?ticket=${TICKET}`)
  await until(() => go !== idle)
  await t.test('late', async t => {
    const recorder = new Recorder(t)
    go()
    t.match(await client, { status: 101 })
    t.match(await recorder.take(2), [{ type: 'upgrade.admitted', subject: null }, { type: 'close' }])
  })
})

/** What closes a WebSocket, and what the trail says of it. */
const CLOSES: Record<string, { path?: string, sends?: Buffer, close?: (socket: WebSocket) => void, expected: object }> = {
  'by the application, with a reason': { close: socket => { socket.close(4000, 'enough') }, expected: { code: 4000, reason: 'enough', by: 'server' } },
  'by the application, with a code of its own': { close: socket => { socket.close(4000) }, expected: { code: 4000, reason: null, by: 'server' } },
  'by the application, with a code': { close: socket => { socket.close(1013) }, expected: { code: 1013, reason: 'try again later', by: 'server' } },
  'by the application, without a code': { close: socket => { socket.close() }, expected: { code: 1005, reason: null, by: 'server' } },
  'by the application, cut': { close: socket => { socket.terminate() }, expected: { code: 1006, reason: 'terminated', by: 'server' } },
  'a message that is too big': { sends: Buffer.from([0x82, 0xff, 0, 0, 0, 0, 0x7f, 0, 0, 0, 0, 0, 0, 0]), expected: { code: 1009, reason: 'message too big', by: 'server' } },
  'a frame that is malformed': { sends: Buffer.from([0x83, 0x80, 0, 0, 0, 0]), expected: { code: 1002, reason: 'malformed frame', by: 'server' } },
  'a text that is malformed': { sends: Buffer.from([0x81, 0x81, 0, 0, 0, 0, 0xff]), expected: { code: 1007, reason: 'malformed text', by: 'server' } },
  'a plain HTTP route': { path: '/plain', expected: { code: 1005, reason: 'no WebSocket route', by: 'server' } },
  'by the client': { sends: Buffer.from([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8]), expected: { code: 1000, reason: null, by: 'client' } }
}

for (const [name, { path = '/ws', sends, close, expected }] of Object.entries(CLOSES)) {
  t.test(`each close has its route, code and reason: ${name}`, async t => {
    const { recorder, app } = await start(t)
    app.get('/ws', { websocket: true }, socket => { close?.(socket as unknown as WebSocket) })
    app.get('/plain', async () => 'plain')
    const client = await raw(t, await listen(app), upgradeHead(path))
    if (sends !== undefined) client.socket.write(sends)
    t.match(await recorder.take(2), [{ type: 'upgrade.admitted', route: path, code: null, reason: null }, { type: 'close', route: path, ...expected }])
  })
}

t.test('injectWS leaves the same trail, without an address', async t => {
  const { recorder, app } = await start(t)
  app.get('/ws', { websocket: true }, socket => { socket.close(4000, 'enough') })
  await app.ready()
  await app.injectWS('/ws')
  t.match(await recorder.take(2), [{ type: 'upgrade.admitted', route: '/ws', address: null }, { type: 'close', route: '/ws', code: 4000, reason: 'enough' }])
})
