// Runs alone: the environment is read once in a process, and forces the public way here.
import websocket from '@fastify/websocket'
import Fastify from 'fastify'
import t from 'tap'
import { WebSocketServer } from 'ws'

// Read once, when the packages are loaded.
process.env.AIRLOCK_PUBLIC = '1'
const { wsGuard } = await import('../src/index.js')
const { privateParsers, publicParsers } = await import('../src/internals.js')
const { attempt, build, listen, openConnections, raw, route, ticketsOf, TICKET, until, upgradeHead } = await import('./helpers.js')

const patient = { upgradeTimeout: 600_000 }

t.test('subprotocols are parsed as ws does', async t => {
  const headers = [
    'a', 'a, b', 'a,b', 'a ,\tb', 'a , b,c', `airlock.v1, ticket.${TICKET}`, '!#$%&\'*+-.^_`|~09azAZ', 'b, a',
    '', ' ', ',', 'a,', ',a', 'a,,b', 'a, ,b', 'a b', 'a, a', 'A, a', 'a;b', 'a"', 'ä', 'a\n', 'a, b ', ' a', 'a/b', '(a)', 'a=b', 'a\0', 'a@b'
  ]
  for (const header of headers) {
    const [expected, found] = [privateParsers.parseProtocols(header), publicParsers.parseProtocols(header)]
    t.same(found === null ? null : [...found], expected === null ? null : [...expected], JSON.stringify(header))
  }
})

t.test('extensions are accepted and refused as ws does', async t => {
  const headers = [
    'permessage-deflate', 'permessage-deflate; client_max_window_bits', 'permessage-deflate; client_max_window_bits=10; server_no_context_takeover',
    'x-other', 'x-other; a=b, permessage-deflate', 'permessage-deflate; unknown_parameter', 'permessage-deflate; a b',
    'permessage-deflate; client_max_window_bits=99', 'permessage-deflate; server_max_window_bits=8', ',', 'a;', 'permessage-deflate; server_max_window_bits'
  ]
  for (const option of [true, { serverMaxWindowBits: 10 }, { serverNoContextTakeover: false }]) {
    for (const header of headers) {
      t.equal(publicParsers.acceptsExtensions(header, option), privateParsers.acceptsExtensions(header, option), `${header} ${JSON.stringify(option)}`)
    }
  }
  t.capture(WebSocketServer.prototype, 'handleUpgrade', () => { throw new Error('not one of mine') })
  t.equal(publicParsers.acceptsExtensions(',', true), true, 'left to the upgrade on runtimes that have a ws of their own')
})

t.test('a refusal skips onSend hooks, and closes the socket', async t => {
  const seen: string[] = []
  const lines: Array<{ level: number, msg: string }> = []
  const app = await build(t, { guard: patient, server: { logger: { stream: { write: (line: string) => { lines.push(JSON.parse(line)) } } } } })
  app.addHook('onSend', async () => { seen.push('onSend') })
  app.addHook('onResponse', async (_request, reply) => { seen.push(`onResponse ${reply.statusCode}`) })
  route(app)
  const port = await listen(app)
  t.match(await (await raw(t, port, upgradeHead('/ws'))).text, /^HTTP\/1\.1 401 [^]*WSA_GUARD_ERR_NO_CREDENTIAL/)
  await until(async () => await openConnections(app) === 0)
  t.same(seen, ['onResponse 401'])
  t.equal(app.wsGuard.pending, 0)
  t.same(lines.filter(({ level }) => level > 30), [], 'no warning')
  t.match(await attempt(port, '/ws', ['airlock.v1', `ticket.${TICKET}`]), { status: 101, protocol: 'airlock.v1' })
})

t.test('responses outside of the scope of the guard close their socket', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  app.get('/outside', async () => 'plain')
  await app.register(async child => {
    await child.register(websocket)
    await child.register(wsGuard, patient)
  })
  const port = await listen(app)
  t.match(await (await raw(t, port, upgradeHead('/outside'))).text, /^HTTP\/1\.1 200 [^]*plain/)
  t.match(await (await raw(t, port, upgradeHead('/%'))).text, /^HTTP\/1\.1 400 [^]*FST_ERR_BAD_URL/)
  await until(async () => await openConnections(app) === 0)
})

t.test('before the router, a response that is being sent is not interrupted', async t => {
  const app = await build(t, { guard: { refuseBeforeRouting: true } })
  route(app)
  app.get('/stream', (_request, reply) => {
    reply.hijack().raw.writeHead(200, { 'content-length': 10 }).write('01234')
    setTimeout(() => reply.raw.end('56789'), 20)
  })
  const port = await listen(app)
  const head = `GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n${upgradeHead('/ws')}`
  app.server.on('upgrade', (_request, socket) => setTimeout(() => socket.destroy(), 100))
  t.notMatch(await (await raw(t, port, head)).text, /01234HTTP/)
  t.match(await (await raw(t, port, upgradeHead('/ws'))).text, /WSA_GUARD_ERR_NO_CREDENTIAL/)
  t.same(ticketsOf(app).asked, [])
})

t.test('with permessage-deflate on, a bad offer is refused before the ticket is redeemed', async t => {
  const app = await build(t, { deflate: true })
  route(app)
  const port = await listen(app)
  const text = await (await raw(t, port, upgradeHead(`/ws?ticket=${TICKET}`, { 'Sec-WebSocket-Extensions': 'permessage-deflate; a b' }))).text
  t.match(text, /^HTTP\/1\.1 400 [^]*Sec-WebSocket-Extensions/)
  t.same(ticketsOf(app).asked, [])
})
