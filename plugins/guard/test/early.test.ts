import websocket from '@fastify/websocket'
import { websocketOptions } from '@fastify-airlock/core'
import Fastify, { type FastifyInstance } from 'fastify'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import net from 'node:net'
import t, { type Test } from 'tap'
import wsGuard, { type GuardOptions, type GuardPluginOptions } from '../src/index.js'
import { attempt, build, listen, openConnections, raw, ticketsOf, TICKET, until, upgradeHead } from './helpers.js'

/** A server that refuses before the router, and the requests that reached the router. */
async function early (t: Test, guard: GuardPluginOptions = {}, routes?: (app: FastifyInstance) => void) {
  const routed: string[] = []
  const app = await build(t, { guard: { refuseBeforeRouting: true, ...guard } })
  const tickets = ticketsOf(app) as ReturnType<typeof ticketsOf> & { isUnknown?: (ticket: string) => boolean }
  tickets.isUnknown = ticket => !tickets.live.has(ticket)
  app.addHook('onRequest', async request => { routed.push(request.url) })
  if (routes === undefined) declare(app, '/ws')
  else routes(app)
  return { app, routed, tickets, port: await listen(app) }
}

function declare (app: FastifyInstance, url: string, options?: GuardOptions): void {
  app.get(url, { websocket: true, preValidation: app.wsGuard(options) }, (socket, request) => {
    socket.send(JSON.stringify(request.wsIdentity))
  })
}

const key = { 'Sec-WebSocket-Protocol': `airlock.v1, ticket.${TICKET}` }

t.test('an obviously wrong upgrade never reaches Fastify, and gets the usual answer', async t => {
  const { app, routed, tickets, port } = await early(t, { allowedOrigins: ['https://app.test'] })
  const table: Array<[string, Record<string, string | undefined>, number, string]> = [
    ['no credential', {}, 401, 'NO_CREDENTIAL'],
    ['an unknown ticket', { 'Sec-WebSocket-Protocol': 'airlock.v1, ticket.x' }, 401, 'INVALID_CREDENTIAL'],
    ['two credentials', { 'Sec-WebSocket-Protocol': 'airlock.v1, ticket.x, ticket.y' }, 400, 'MULTIPLE_CREDENTIALS'],
    ['a foreign Origin', { ...key, Origin: 'https://evil.test' }, 403, 'ORIGIN'],
    ['no Origin and a cookie', { Cookie: `ticket=${TICKET}` }, 403, 'ORIGIN'],
    ['another protocol', { 'Sec-WebSocket-Protocol': `chat, ticket.${TICKET}` }, 400, 'SUBPROTOCOL'],
    ['malformed protocols', { 'Sec-WebSocket-Protocol': ',,' }, 400, 'SUBPROTOCOL'],
    ['a bad key', { ...key, 'Sec-WebSocket-Key': 'x' }, 400, 'NOT_UPGRADE'],
    ['an old version', { ...key, 'Sec-WebSocket-Version': '8' }, 400, 'NOT_UPGRADE'],
    ['another upgrade', { ...key, Upgrade: 'other' }, 400, 'NOT_UPGRADE']
  ]
  for (const [name, headers, status, code] of table) {
    const text = await (await raw(t, port, upgradeHead('/ws', headers))).text
    t.ok(text.startsWith(`HTTP/1.1 ${status} `), `${name}: ${text.slice(0, 12)}`)
    t.match(text, `WSA_GUARD_ERR_${code}"`, name)
  }
  t.same(routed, [])
  t.same(tickets.asked, [], 'nothing is used up')
  await until(async () => await openConnections(app) === 0)
  t.match(await attempt(port, '/ws', ['airlock.v1', `ticket.${TICKET}`], { origin: 'https://app.test' }), { status: 101 })
  t.same(routed, ['/ws'])
})

t.test('missingOrigin: deny applies before the router', async t => {
  const { routed, port } = await early(t, { missingOrigin: 'deny' })
  t.match(await (await raw(t, port, upgradeHead('/ws', key))).text, 'WSA_GUARD_ERR_ORIGIN')
  t.same(routed, [])
})

t.test('the scheme of an Origin counts before the router where this is TLS, and no proxy says otherwise', async t => {
  const { app, routed, port } = await early(t)
  // As a TLS socket says it. Real ones are in test/attacks of the repository.
  app.server.prependListener('connection', socket => { Object.assign(socket, { encrypted: true }) })
  for (const [headers, code] of [
    [{ Origin: 'https://localhost' }, 'NO_CREDENTIAL'],
    [{ Origin: 'http://localhost' }, 'ORIGIN'],
    [{ Origin: 'http://localhost', 'X-Forwarded-Proto': 'http' }, 'NO_CREDENTIAL']
  ] as const) {
    t.match(await (await raw(t, port, upgradeHead('/ws', headers))).text, `WSA_GUARD_ERR_${code}`, JSON.stringify(headers))
  }
  t.same(routed, [])
})

t.test('an upgrade that is not certainly wrong is left to the router and the hook', async t => {
  const asked: string[] = []
  const { routed, port } = await early(t, {}, app => {
    declare(app, '/ws')
    declare(app, '/function', { authenticate: () => null })
    declare(app, '/errors', { refusalErrors: true })
    declare(app, '/origins', { allowedOrigins: [origin => { asked.push(origin); return false }] })
    declare(app, '/rooms/:room')
    app.get('/hooked', { websocket: true, preValidation: [async () => {}, app.wsGuard()] }, () => {})
    app.get('/constrained', { websocket: true, constraints: { host: 'a.test' }, preValidation: app.wsGuard() }, () => {})
    app.get('/twice', { websocket: true, preValidation: app.wsGuard() }, () => {})
    app.get('/twice', { websocket: true, constraints: { host: 'a.test' }, preValidation: app.wsGuard() }, () => {})
    app.get('/plain', async () => 'plain')
    const guard = app.wsGuard()
    app.post('/ws', { preValidation: async (request, reply) => guard.call(app, request, reply) }, async () => 'posted')
  })
  const table: Array<[string, Record<string, string>, string, number]> = [
    ['/ws?room=1', {}, 'GET', 401],
    ['/ws', { ...key, Origin: 'https://x.test', 'X-Forwarded-Host': 'x.test' }, 'GET', 403],
    ['/ws', {}, 'POST', 400],
    ['/function', {}, 'GET', 401],
    ['/errors', {}, 'GET', 401],
    ['/origins', { ...key, Origin: 'https://x.test' }, 'GET', 403],
    ['/rooms/1', {}, 'GET', 401],
    ['/hooked', {}, 'GET', 401],
    ['/constrained', {}, 'GET', 404],
    ['/twice', {}, 'GET', 401],
    ['/nowhere', {}, 'GET', 404]
  ]
  for (const [url, headers, method, status] of table) {
    const text = await (await raw(t, port, upgradeHead(url, headers, method))).text
    t.ok(text.startsWith(`HTTP/1.1 ${status} `), `${method} ${url}: ${text.slice(0, 12)}`)
  }
  t.same(routed, table.map(([url]) => url))
  t.same(asked, ['https://x.test'], 'a function is asked once')
  t.equal((await fetch(`http://127.0.0.1:${port}/plain`)).status, 200)
})

t.test('a warning says that no guard was found', async t => {
  const routes: Array<[string, (app: FastifyInstance) => void, number]> = [
    ['a guard', app => declare(app, '/ws'), 0],
    ['a guard beside others', app => { app.get('/plain', async () => ''); declare(app, '/ws') }, 0],
    ['no guard', app => { app.get('/plain', async () => '') }, 1],
    ['a guard that is not the first', app => { app.get('/ws', { websocket: true, preValidation: [async () => {}, app.wsGuard()] }, () => {}) }, 1],
    ['a guard with a path that has parameters', app => declare(app, '/rooms/:room'), 1]
  ]
  for (const [name, declareRoutes, warnings] of routes) {
    const lines: string[] = []
    const app = await build(t, {
      server: { logger: { level: 'warn', stream: { write: (line: string) => { lines.push(line) } } } },
      guard: { refuseBeforeRouting: true }
    })
    declareRoutes(app)
    await app.ready()
    t.equal(lines.filter(line => line.includes('refuseBeforeRouting applies to no route')).length, warnings, name)
  }
})

t.test('a hook that wraps hooks hides guards if it comes before them', async t => {
  for (const first of [true, false]) {
    const lines: string[] = []
    const wrap = (app: FastifyInstance): void => {
      app.addHook('onRoute', route => {
        const hook = route.preValidation as ((...args: unknown[]) => void) | undefined
        if (hook !== undefined) route.preValidation = function (...args: unknown[]) { return hook.apply(this, args) }
      })
    }
    const app = await build(t, {
      server: { logger: { level: 'warn', stream: { write: (line: string) => { lines.push(line) } } } },
      guard: { refuseBeforeRouting: true },
      before: app => { if (first) wrap(app) }
    })
    if (!first) wrap(app)
    declare(app, '/ws')
    const port = await listen(app)
    t.ok((await (await raw(t, port, upgradeHead('/ws'))).text).startsWith('HTTP/1.1 401 '))
    t.equal(lines.length, first ? 1 : 0)
  }
})

t.test('listeners that were there before are still called', async t => {
  const heard: string[] = []
  const app = await build(t, {
    guard: { refuseBeforeRouting: true },
    before: app => { app.server.on('upgrade', request => { heard.push(request.url as string) }) }
  })
  declare(app, '/ws')
  const port = await listen(app)
  await (await raw(t, port, upgradeHead('/ws'))).text
  await (await raw(t, port, upgradeHead('/ws?x'))).text
  t.same(heard, ['/ws?x'])
})

t.test('a reset and a client that reads nothing leave nothing behind', async t => {
  const { app, port } = await early(t)
  app.server.on('connection', socket => {
    // A socket whose buffers are full.
    if (full) Object.defineProperty(socket, 'end', { value: () => socket })
    if (full) Object.defineProperty(socket, 'writableLength', { value: 1 })
  })
  let full = false
  for (full of [false, true]) {
    const socket = net.connect(port, '127.0.0.1')
    socket.on('error', () => {})
    await once(socket, 'connect')
    socket.write(upgradeHead('/ws'))
    if (full) await until(() => app.wsGuard.pending === 1)
    socket.resetAndDestroy()
    await until(async () => await openConnections(app) === 0)
    t.equal(app.wsGuard.pending, 0)
  }
  full = true
  const peer = await raw(t, port, upgradeHead('/ws'))
  await peer.text
  t.equal(app.wsGuard.pending, 0, 'closed after a while')
})

t.test('a response that is being sent is not interrupted', async t => {
  const { port } = await early(t, { upgradeTimeout: 100 }, app => {
    declare(app, '/ws')
    app.get('/stream', (_request, reply) => {
      reply.hijack().raw.writeHead(200, { 'content-length': 10 }).write('01234')
      setTimeout(() => reply.raw.end('56789'), 20)
    })
  })
  const peer = await raw(t, port, `GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n${upgradeHead('/ws')}`)
  const text = await peer.text
  t.match(text, /^HTTP\/1\.1 200 OK[^]*0123456789/)
  t.notMatch(text, /01234HTTP/)
})

t.test('off by default', async t => {
  const app = await build(t)
  const routed: string[] = []
  app.addHook('onRequest', async request => { routed.push(request.url) })
  declare(app, '/ws')
  const port = await listen(app)
  await (await raw(t, port, upgradeHead('/ws'))).text
  t.same(routed, ['/ws'])
})

t.test('it is refused together with rewriteUrl, which it does not know of', async t => {
  const rewriteUrl = ({ url }: IncomingMessage): string => url as string
  await t.rejects(build(t, { server: { rewriteUrl }, guard: { refuseBeforeRouting: true } }), { code: 'WSA_GUARD_ERR_OPTION', message: /refuseBeforeRouting.*rewriteUrl/ })
  await build(t, { server: { rewriteUrl }, guard: { refuseBeforeRouting: false } })
  const app = Fastify({ rewriteUrl })
  t.teardown(() => app.close())
  await app.register(websocket, websocketOptions())
  await t.rejects(async () => await app.register(async scope => { await scope.register(wsGuard, { refuseBeforeRouting: true }) }), { code: 'WSA_GUARD_ERR_OPTION' }, 'in a scope')
})
