import fastifyJwt from '@fastify/jwt'
import websocket from '@fastify/websocket'
import wsGuard, { logSerializers, websocketOptions } from '@fastify-airlock/guard'
import wsHandshake from '@fastify-airlock/handshake'
import wsHeartbeat from '@fastify-airlock/heartbeat'
import wsHub from '@fastify-airlock/hub'
import wsTickets, { type WsTicketsOptions } from '@fastify-airlock/ticket'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import http from 'node:http'
import http2 from 'node:http2'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import type { ClientOptions } from 'ws'
import { connect } from './helpers.js'

const pem = (name: string): string => readFileSync(new URL(`../plugins/proxy/test/fixtures/${name}.pem`, import.meta.url), 'utf8')

/** Everything on a server of the given options, and its log. */
async function build (t: Test, options: object, { tickets = {}, pendingPerAddress = 256, path = '/ws', constraints = {} }: {
  tickets?: WsTicketsOptions, pendingPerAddress?: number, path?: string, constraints?: Record<string, string>
} = {}) {
  const lines: string[] = []
  const app = Fastify({
    logger: { level: 'info', stream: { write: (line: string) => { lines.push(line) } }, serializers: logSerializers() },
    ...options
  } as FastifyServerOptions) as FastifyInstance
  t.teardown(() => app.close())
  await app.register(websocket, websocketOptions())
  await app.register(wsGuard, { pendingPerAddress })
  await app.register(fastifyJwt, { secret: 'a secret for tests that is long enough' })
  await app.register(wsTickets, tickets)
  await app.register(wsHandshake, { pendingPerAddress })
  await app.register(wsHub)
  await app.register(wsHeartbeat)
  app.get(path, { websocket: true, preValidation: app.wsGuard(), constraints }, app.wsHandshake(socket => {
    socket.on('message', data => socket.send(String(data)))
  }) as never)
  return { app, lines }
}

const bearer = (app: FastifyInstance, sub = 'alice') => ({ authorization: `Bearer ${app.jwt.sign({ sub }, { expiresIn: 60 })}` })

/** From the ticket to an echo. */
async function roundTrip (t: Test, app: FastifyInstance, base: string, { ticketPath = '/ws/ticket', path = '/ws', headers = {}, upgradeHeaders = {}, carry = 'subprotocol' }: {
  ticketPath?: string, path?: string, headers?: Record<string, string>, upgradeHeaders?: Record<string, string>, carry?: 'subprotocol' | '?'
} = {}): Promise<string> {
  const reply = await fetch(`${base.replace(/^ws/, 'http')}${ticketPath}`, { method: 'POST', headers: { ...headers, ...bearer(app) } })
  t.equal(reply.status, 201)
  const { ticket } = await reply.json() as { ticket: string }
  const client = await connect(
    t, `${base}${path}${carry === 'subprotocol' ? '' : `${carry}ticket=${ticket}`}`,
    carry === 'subprotocol' ? ['airlock.v1', `ticket.${ticket}`] : ['airlock.v1'], { headers: { ...headers, ...upgradeHeaders } }
  )
  client.send({ type: 'auth', token: app.jwt.sign({ sub: 'alice' }, { expiresIn: 60 }) })
  t.match(await client.next(), { type: 'auth_ok' })
  t.equal(app.wsHub.count(), 1)
  client.send({ echo: 1 })
  t.same(await client.next(), { echo: 1 })
  client.socket.terminate()
  return ticket
}

const listen = async (app: FastifyInstance): Promise<string> => {
  await app.listen({ host: '127.0.0.1', port: 0 })
  return `ws://127.0.0.1:${(app.server.address() as AddressInfo).port}`
}

/** Options of Fastify that change how requests are read, routed or answered, with what a client then sends. */
const OPTIONS: Array<[name: string, options: object, client?: Parameters<typeof roundTrip>[3], server?: Parameters<typeof build>[2]]> = [
  // A ticket behind `;` is refused: test/attacks.
  ['useSemicolonDelimiter', { routerOptions: { useSemicolonDelimiter: true } }, { carry: '?' }],
  ['rewriteUrl', { rewriteUrl: ({ url = '/' }: { url?: string }) => url.replace('/edge', '') }, { ticketPath: '/edge/ws/ticket', path: '/edge/ws' }],
  ['caseSensitive', { routerOptions: { caseSensitive: false } }, { ticketPath: '/WS/Ticket', path: '/Ws' }],
  ['ignoreTrailingSlash', { routerOptions: { ignoreTrailingSlash: true } }, { ticketPath: '/ws/ticket/', path: '/ws/' }],
  ['ignoreDuplicateSlashes', { routerOptions: { ignoreDuplicateSlashes: true } }, { ticketPath: '//ws///ticket', path: '//ws' }],
  ['querystringParser', { routerOptions: { querystringParser: (query: string) => Object.fromEntries(new URLSearchParams(query)) } }, { carry: '?' }],
  ['genReqId: numbers', { genReqId: (() => { let id = 0; return () => ++id })() }],
  ['genReqId: of the client', { genReqId: ({ headers }: http.IncomingMessage) => headers['x-id'], requestIdHeader: false }, { headers: { 'x-id': 'a\u00e9' } }],
  ['requestIdHeader', { requestIdHeader: 'x-id' }, { headers: { 'x-id': '7' } }],
  ['exposeHeadRoutes', { exposeHeadRoutes: true }],
  ['exposeHeadRoutes: false', { exposeHeadRoutes: false }],
  ['constraints: host', {}, { upgradeHeaders: { host: 'chat.example' } }, { constraints: { host: 'chat.example' } }],
  ['constraints: version', {}, { upgradeHeaders: { 'accept-version': '1.2.0' } }, { constraints: { version: '1.2.0' } }],
  ['forceCloseConnections', { forceCloseConnections: true }],
  ['bodyLimit', { bodyLimit: 1 }],
  ['handlerTimeout', { handlerTimeout: 60_000 }],
  ['requestTimeout and connectionTimeout', { requestTimeout: 60_000, connectionTimeout: 60_000 }],
  ['no logger', { logger: false }],
  ['onProtoPoisoning', { onProtoPoisoning: 'ignore', onConstructorPoisoning: 'ignore' }],
  ['ajv', { ajv: { customOptions: { coerceTypes: false, removeAdditional: false, strict: true } } }],
  ['serverFactory', { serverFactory: (handler: http.RequestListener) => http.createServer(handler) }],
  ['http', { http: { keepAliveTimeout: 1_000, insecureHTTPParser: false, joinDuplicateHeaders: true } }],
  ['a prefix of the ticket route', {}, { ticketPath: '/api/ws/ticket' }, { tickets: { prefix: '/api' } }],
  ['a parametric path', {}, { path: '/room/7' }, { path: '/room/:id' }]
]

for (const [name, options, client, server] of OPTIONS) {
  t.test(`from the ticket to an echo with ${name}`, async t => {
    const { app, lines } = await build(t, options, server)
    const ticket = await roundTrip(t, app, await listen(app), client)
    t.notMatch(lines.join(''), ticket, 'no ticket in the log')
  })
}

t.test('HTTP/2 with HTTP/1.1 allowed: tickets over either, upgrades over HTTP/1.1', async t => {
  const { app } = await build(t, { http2: true, https: { allowHTTP1: true, cert: pem('server'), key: pem('server-key') } })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  const ca = pem('ca')
  const session = http2.connect(`https://localhost:${port}`, { ca, lookup: (_name, _options, done) => done(null, [{ address: '127.0.0.1', family: 4 }]) })
  t.teardown(() => { session.destroy() })
  const ask = async (headers: object): Promise<{ status: number, body: string }> => {
    const stream = session.request({ ...headers })
    stream.end()
    const status = new Promise<number>((resolve, reject) => stream.once('response', head => resolve(Number(head[':status']))).once('error', reject))
    return { status: await status, body: await text(stream) }
  }
  const { status, body } = await ask({ ':method': 'POST', ':path': '/ws/ticket', ...bearer(app) })
  t.equal(status, 201)
  t.equal((await ask({ ':method': 'POST', ':path': '/ws/ticket', 'content-type': 'text/plain', ...bearer(app) })).status, 201)
  t.match(await ask({ ':method': 'GET', ':path': '/ws' }), { status: 400, body: /WSA_GUARD_ERR_NOT_UPGRADE/ }, 'a plain request to the socket route')

  const { ticket } = JSON.parse(body)
  const client = await connect(t, `wss://127.0.0.1:${port}/ws`, ['airlock.v1', `ticket.${ticket}`], { ca, servername: 'localhost' } as ClientOptions)
  client.send({ type: 'auth', token: app.jwt.sign({ sub: 'alice' }, { expiresIn: 60 }) })
  t.match(await client.next(), { type: 'auth_ok' })
  client.socket.terminate()
  await t.rejects(connect(t, `wss://127.0.0.1:${port}/ws`, ['airlock.v1'], { ca, servername: 'localhost' } as ClientOptions), { message: 'HTTP 401 WSA_GUARD_ERR_NO_CREDENTIAL' })
})

/** A path for a Unix socket; one may have about 100 characters. */
async function socketFile (t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'airlock-'))
  t.teardown(async () => await rm(folder, { recursive: true }))
  return join(folder, 's')
}

/** Asks for a ticket over a Unix socket. */
async function askOver (socketPath: string, headers: Record<string, string>): Promise<{ status: number | undefined, body: Record<string, string> }> {
  const request = http.request({ socketPath, method: 'POST', path: '/ws/ticket', headers })
  request.end()
  const response = await new Promise<http.IncomingMessage>((resolve, reject) => request.once('response', resolve).once('error', reject))
  return { status: response.statusCode, body: JSON.parse(await text(response)) }
}

t.test('over a Unix socket nobody has an address, and nothing is counted by it', async t => {
  const { app } = await build(t, {}, { pendingPerAddress: 2 })
  const socketPath = await socketFile(t)
  await app.listen({ path: socketPath })
  const clients = []
  for (let i = 0; i < 5; i++) {
    const { body } = await askOver(socketPath, bearer(app))
    clients.push(await connect(t, `ws+unix:${socketPath}:/ws`, ['airlock.v1', `ticket.${body.ticket}`], { headers: { host: 'x' } }))
  }
  for (const client of clients) {
    client.send({ type: 'auth', token: app.jwt.sign({ sub: 'alice' }, { expiresIn: 60 }) })
    t.match(await client.next(), { type: 'auth_ok' })
    client.socket.terminate()
  }
})

t.test('bindAddress over a Unix socket is an error of the set-up, logged once with its cure', async t => {
  const { app, lines } = await build(t, {}, { tickets: { bindAddress: true } })
  const socketPath = await socketFile(t)
  await app.listen({ path: socketPath })
  for (let i = 0; i < 3; i++) {
    t.match(await askOver(socketPath, bearer(app)), { status: 500, body: { code: 'WSA_TICKET_ERR_NO_ADDRESS', message: /trustProxy/ } })
  }
  t.equal(lines.filter(line => line.includes('"WSA_TICKET_ERR_NO_ADDRESS"') && line.includes('trustProxy')).length, 1)

  const { ticket } = await app.wsTickets.issue('alice', { ip: '192.0.2.7' })
  await t.rejects(connect(t, `ws+unix:${socketPath}:/ws`, ['airlock.v1', `ticket.${ticket}`], { headers: { host: 'x' } }), { message: /HTTP 401/ })
  t.match(lines.join(''), /bound to an address was presented without one/)
})

t.test('bindAddress over a Unix socket works with the address that a proxy names', async t => {
  const { app } = await build(t, { trustProxy: true }, { tickets: { bindAddress: true } })
  const socketPath = await socketFile(t)
  await app.listen({ path: socketPath })
  for (const [asked, shown, good] of [['192.0.2.7', '192.0.2.7:1', true], ['192.0.2.7', '192.0.2.8', false]] as const) {
    const { body } = await askOver(socketPath, { ...bearer(app), 'x-forwarded-for': asked })
    const attempt = connect(t, `ws+unix:${socketPath}:/ws`, ['airlock.v1', `ticket.${body.ticket}`], { headers: { host: 'x', 'x-forwarded-for': shown } })
    if (good) (await attempt).socket.terminate()
    else await t.rejects(attempt, { message: /HTTP 401/ })
  }
})

/** One client, in each way that a proxy may write its address. */
const CLIENTS = [
  ['203.0.113.7', '203.0.113.7:50001', '203.0.113.7:50002', '::ffff:203.0.113.7', '::ffff:cb00:7107', '[::ffff:cb00:7107]:50003', '::FFFF:CB00:7107', '0:0:0:0:0:ffff:cb00:7107'],
  ['2001:db8::7', '[2001:db8::7]', '[2001:db8::7]:50001', '2001:DB8:0:0::7', '[2001:db8::8]:50002', '2001:0db8:0000:0000:0000:0000:0000:0007']
]

t.test('one client is one address at the ticket route and at the guard, however a proxy writes it', async t => {
  const { app } = await build(t, { trustProxy: true }, { tickets: { bindAddress: true } })
  const base = await listen(app)
  const ask = async (from: string): Promise<string> => {
    const reply = await fetch(`${base.replace('ws', 'http')}/ws/ticket`, { method: 'POST', headers: { ...bearer(app), 'x-forwarded-for': from } })
    return (await reply.json() as { ticket: string }).ticket
  }
  for (const forms of CLIENTS) {
    const [first] = forms as [string]
    for (const form of forms) {
      for (const [asked, shown] of [[first, form], [form, first]] as const) {
        const client = await connect(t, `${base}/ws`, ['airlock.v1', `ticket.${await ask(asked)}`], { headers: { 'x-forwarded-for': shown } })
        client.socket.terminate()
      }
    }
  }
  for (const stranger of ['8.8.8.8', '::ffff:808:808', '203.0.113.70', '2001:db8:0:1::7']) {
    await t.rejects(connect(t, `${base}/ws`, ['airlock.v1', `ticket.${await ask('::ffff:cb00:7107')}`], { headers: { 'x-forwarded-for': stranger } }), { message: /HTTP 401/ }, stranger)
  }
})

t.test('and in the pool of first frames', async t => {
  for (const forms of CLIENTS) {
    const { app } = await build(t, { trustProxy: true }, { pendingPerAddress: 2 })
    const base = await listen(app)
    const closed = []
    for (const form of forms) {
      const { ticket } = await app.wsTickets.issue('alice')
      const client = await connect(t, `${base}/ws`, ['airlock.v1', `ticket.${ticket}`], { headers: { 'x-forwarded-for': form } })
      closed.push(client)
    }
    for (const client of closed.slice(2)) t.match(await client.closed, /^4429 /)
    for (const client of closed.slice(0, 2)) {
      t.equal(client.socket.readyState, client.socket.OPEN)
      client.socket.terminate()
    }
  }
})
