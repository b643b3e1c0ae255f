import websocket from '@fastify/websocket'
import { jwt as byJwt, ticket } from 'fastify-airlock'
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import { testServer, type Carrier, type Doors, type Transport } from '../src/index.js'
import { build } from './build.js'

const TRANSPORTS: Transport[] = ['memory', 'injectWS', 'port']

/** Every way through the doors. */
const WAYS: Array<{ path: string, doors: Doors, carrier?: Carrier, name?: string, protocol: string }> = [
  { path: '/ws', doors: 'both', protocol: 'airlock.v1' },
  { path: '/ws', doors: 'both', carrier: 'query', protocol: 'airlock.v1' },
  { path: '/ws?more=1', doors: 'both', carrier: 'query', protocol: 'airlock.v1' },
  { path: '/ws', doors: 'both', carrier: 'cookie', protocol: 'airlock.v1' },
  { path: '/named', doors: 'one', carrier: 'query', name: 't', protocol: 'airlock.v1' },
  { path: '/one', doors: 'one', protocol: 'airlock.v1' },
  { path: '/jwt', doors: 'one', carrier: 'header', protocol: 'airlock.v1' },
  { path: '/jwt', doors: 'one', carrier: 'bearer', protocol: 'airlock.v1' },
  { path: '/two', doors: 'two', protocol: 'airlock.v1' },
  { path: '/open', doors: 'none', protocol: '' }
]

async function serve (t: Test, transport: Transport) {
  const app = await build()
  const echo = (socket: any, request: any): void => {
    socket.on('message', (data: Buffer, isBinary: boolean) => {
      socket.send(isBinary ? data : JSON.stringify({ subject: request.wsIdentity?.subject ?? null, ip: request.ip, text: String(data) }))
    })
  }
  app.wsRoute('/one', { handshake: false }, echo)
  app.wsRoute('/named', { handshake: false, guard: { authenticate: ticket({ query: 't' }) } }, echo)
  app.wsRoute('/jwt', { handshake: false, guard: { authenticate: byJwt({ subprotocol: true }) } }, echo)
  app.wsRoute('/two', { guard: false }, echo)
  app.get('/open', { websocket: true }, echo)
  app.get('/early', { websocket: true }, socket => {
    socket.send('"early"')
    socket.ping('are you there')
    socket.on('pong', data => socket.send(`"pong ${String(data)}"`))
  })
  app.get('/broken', { websocket: true, preValidation: async () => { throw new Error('broken') } }, echo)
  app.route({
    method: ['GET', 'POST'],
    url: '/http',
    handler: async (request, reply) => {
      if (request.method === 'GET') return await reply.code(204).header('set-cookie', ['a=1; Path=/', 'b=2']).send()
      return { cookie: request.headers.cookie, body: request.body, origin: request.headers.origin ?? null, ip: request.ip }
    }
  })
  return await testServer(app, { t, transport })
}

for (const transport of TRANSPORTS) {
  t.test(`${transport}: every way through the doors`, async t => {
    const server = await serve(t, transport)
    for (const { path, protocol, ...options } of WAYS) {
      const connection = await server.device('alice').open(path, options)
      const name = `${path} ${options.doors} ${options.carrier ?? ''}`
      t.equal(connection.protocol, transport === 'injectWS' ? '' : protocol, name)
      if (options.doors === 'both' || options.doors === 'two') t.match(connection.user, { id: 'alice' }, name)
      else t.equal(connection.user, null, name)
      connection.send('hello')
      const answer = await connection.next()
      if (path.startsWith('/ws')) t.same(answer, { from: 'alice', text: 'hello' }, name)
      else t.match(answer, { subject: options.doors === 'none' ? null : 'alice', text: 'hello' }, name)
      await connection.never()
      t.same(await connection.close(1000, 'bye'), { code: 1000, reason: transport === 'injectWS' ? 'bye' : 'bye' }, name)
    }
  })

  t.test(`${transport}: what is refused says how`, async t => {
    const server = await serve(t, transport)
    const alice = server.device('alice')
    const { ticket } = await alice.ticket()
    await (await alice.open('/ws', { ticket })).drop()
    const spent = await alice.refused('/ws', { ticket })
    t.match(spent, { code: 'WSA_TESTING_ERR_REFUSED', status: 401 })
    if (transport !== 'injectWS') {
      t.match(spent, { refusal: 'WSA_GUARD_ERR_INVALID_CREDENTIAL', message: 'GET /ws: HTTP 401 WSA_GUARD_ERR_INVALID_CREDENTIAL', headers: { 'www-authenticate': String } })
      t.match(JSON.parse(spent.body), { statusCode: 401 })
    }
    t.match(await alice.refused('/broken', { doors: 'none' }), { status: 500, refusal: '' })
    t.match(await alice.refused('/nowhere', { doors: 'none' }), { status: 404 })
    t.match(await alice.refused('/ws', { token: await server.device('bob').token() }), {
      code: 'WSA_TESTING_ERR_CLOSED', closeCode: 4403, reason: 'subject mismatch', message: 'The connection of alice has closed: 4403 subject mismatch'
    })
    t.match(await alice.refused('/ws', { origin: undefined, headers: { origin: 'https://evil.example' } } as object), { status: 403 })
    t.equal(await alice.refused('/ws'), null, 'what is not refused')
    t.match(await server.device(null).refused('/ws'), { status: 401, message: /^POST \/ws\/ticket: HTTP 401 / })
  })

  t.test(`${transport}: nothing is lost at the start, and pings are answered`, async t => {
    const server = await serve(t, transport)
    const connection = await server.device('alice').open('/early', { doors: 'none' })
    t.equal(await connection.next(), 'early')
    t.equal(await connection.next(), 'pong are you there')
  })

  t.test(`${transport}: bytes come as bytes, and text that is no JSON as text`, async t => {
    const server = await serve(t, transport)
    const connection = await server.device('alice').open('/open', { doors: 'none' })
    connection.send(Buffer.from([1, 2, 3]))
    t.same(await connection.next(Buffer.from([1, 2, 3])), Buffer.from([1, 2, 3]))
    server.app.websocketServer.clients.forEach(socket => socket.send('no JSON'))
    t.equal(await connection.next(), 'no JSON')
  })

  t.test(`${transport}: requests with cookies, and their answers`, async t => {
    const server = await serve(t, transport)
    const alice = server.device('alice')
    const response = await alice.request('/http')
    t.equal(response.status, 204)
    t.equal(await response.text(), '')
    t.equal(alice.cookies.header, 'a=1; b=2')
    t.match(await alice.json('/http', { body: { a: 1 } }), { cookie: 'a=1; b=2', body: { a: 1 }, origin: server.origin, ip: '127.0.0.1' })
    t.match(await alice.json('/http', { body: 'text', headers: { 'content-type': 'text/plain' } }), { body: 'text' })
    t.equal(await alice.json('/http'), null, 'an empty answer')
    await t.rejects(alice.json('/nowhere'), { status: 404, message: 'GET /nowhere: HTTP 404 ' })
    await t.rejects(alice.json('/nowhere', { body: {} }), { status: 404, message: 'POST /nowhere: HTTP 404 ' })
    t.match(await server.device('bob', { origin: null, cookie: 'session' }).json('/http', { method: 'POST', body: '', headers: { 'content-type': 'text/plain' } }), { origin: null, cookie: /^session=ey/ })
  })

  t.test(`${transport}: the server sees a connection that breaks`, async t => {
    const server = await serve(t, transport)
    const alice = await server.device('alice').open()
    const { wsHub } = server.app
    t.equal(wsHub.count(), 1)
    alice.send('last words')
    const bob = await server.device('bob').open()
    t.match(await alice.drop(), { code: 1006 })
    t.notOk(alice.isOpen)
    await alice.roundTrip()
    while (wsHub.count() > 1) await new Promise(resolve => setImmediate(resolve))
    await bob.never({ from: 'carol' })
  })
}

t.test('where a device comes from', async t => {
  const server = await serve(t, 'memory')
  for (const address of ['192.0.2.7', '2001:db8::1']) {
    const device = server.device('alice', { address })
    t.match(await device.json('/http', { body: {} }), { ip: address })
    const connection = await device.open('/two', { doors: 'two' })
    t.match(await connection.ask('hello'), { ip: address })
  }
})

t.test('without @fastify/websocket', async t => {
  const app = Fastify()
  app.get('/', async () => 'hello')
  const server = await testServer(app, { t })
  t.equal(await (await server.device('alice').request('/')).text(), 'hello')
  const other = Fastify()
  t.teardown(() => other.close())
  await t.rejects(testServer(other, { transport: 'injectWS' }), { code: 'WSA_TESTING_ERR_NO_INJECT' })
})

t.test('an error of injectWS that is no refusal comes through', async t => {
  const app = Fastify()
  await app.register(websocket)
  const server = await testServer(app, { t, transport: 'injectWS' })
  const { injectWS } = app
  t.teardown(() => { app.injectWS = injectWS })
  const other = await testServer(Object.assign(Object.create(app), { injectWS: async () => { throw new Error('other') } }), { transport: 'injectWS' })
  await t.rejects(other.device('alice').open('/', { doors: 'none' }), { message: 'other' })
  await server.close()
})

t.test('a body that is cut off is what there is', async t => {
  const app = Fastify()
  app.get('/cut', async (_request, reply) => {
    reply.hijack()
    reply.raw.writeHead(403, { 'content-length': '100' })
    reply.raw.write('{"code":"CUT')
    reply.raw.socket?.end()
  })
  await app.register(websocket)
  const server = await testServer(app, { t, transport: 'port' })
  t.match(await server.device('alice').refused('/cut', { doors: 'none' }), { status: 403, refusal: '' })
})
