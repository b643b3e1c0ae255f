// Runs alone: it measures the heap.
import websocket from '@fastify/websocket'
import fastifyJwt from '@fastify/jwt'
import { usesPublicWay, websocketOptions } from '@fastify-airlock/core'
import Fastify, { type FastifyRequest } from 'fastify'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t, { type Test } from 'tap'
import type { WebSocket } from 'ws'
import { wsHandshake, type WsHandler, type WsHandshakeOptions } from '../src/index.js'
import { connect, deferred, secret } from './helpers.js'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** Memory is what the public way costs. */
const skip = usesPublicWay()

/** The parts of an upgrade that may be kept in memory. */
type Held = Record<'request' | 'reply' | 'raw' | 'response', WeakRef<object>>

/** Opens one authenticated connection; returns which parts of its upgrade are still in memory. */
async function held (t: Test, handler: WsHandler, options: WsHandshakeOptions = {}, websockets = websocketOptions()): Promise<string[]> {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket, websockets)
  await app.register(fastifyJwt, { secret })
  await app.register(wsHandshake)
  let refs = {} as Held
  app.addHook('onRequest', (request, reply, done) => {
    refs = {
      request: new WeakRef(request), reply: new WeakRef(reply), raw: new WeakRef(request.raw), response: new WeakRef(reply.raw)
    }
    done()
  })
  app.get('/ws', { websocket: true }, app.wsHandshake(handler, options))
  await app.listen({ port: 0, host: '127.0.0.1' })
  const client = connect(t, (app.server.address() as AddressInfo).port)
  t.match(await client.auth(app.jwt.sign({ sub: 'alice' }, { expiresIn: 60 })), { type: 'auth_ok' })
  // Gives everything time to go that the last turns have left on the stack and in queues.
  for (let pass = 0; pass < 10; pass++) {
    await new Promise(resolve => setTimeout(resolve, 5))
    collect()
  }
  const names = Object.entries(refs).filter(([, ref]) => ref.deref() !== undefined).map(([name]) => name)
  client.socket.send('still open')
  t.equal(await client.next(), 'still open')
  return names
}

const echo = (socket: WebSocket): void => { socket.on('message', data => socket.send(String(data))) }

t.test('an open connection keeps nothing of its upgrade', { skip }, async t => {
  t.same(await held(t, echo), [])
  t.same(await held(t, (socket, { wsIdentity }) => {
    socket.on('message', data => socket.send(wsIdentity.subject && String(data)))
  }), [], 'nor does a handler that uses only the identity')
})

t.test('what is still used is kept, and nothing else', { skip }, async t => {
  const handler: WsHandler = (socket, request) => {
    socket.on('message', data => socket.send(request.id && String(data)))
  }
  t.same(await held(t, handler), ['request', 'raw'], 'the handler')
  const hooks: WsHandshakeOptions[] = [
    { isRevoked: () => false }, { authorize: () => true }, { authorizeMessage: () => true }
  ]
  for (const options of hooks) {
    t.same(await held(t, echo, options), ['request', 'raw'], Object.keys(options).join())
  }
  const everything = ['request', 'reply', 'raw', 'response']
  t.same(await held(t, echo, {}, websocketOptions({ errorHandler: () => {} })), everything, 'an error handler of the application')
})

t.test('the request that the handler was given stays whole', async t => {
  const app = Fastify({ logger: { level: 'silent' }, trustProxy: true })
  t.teardown(() => app.close())
  await app.register(websocket, websocketOptions())
  await app.register(fastifyJwt, { secret })
  await app.register(wsHandshake)
  app.decorateRequest('own', null)
  const seen = deferred<FastifyRequest>()
  app.get('/rooms/:room', { websocket: true, config: { own: 1 } as object }, app.wsHandshake((socket, request) => {
    (request as unknown as { own: unknown }).own = 'set'
    socket.on('message', () => seen.resolve(request))
  }))
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const client = connect(t, port, '/rooms/7?a=1')
  t.match(await client.auth(app.jwt.sign({ sub: 'alice' }, { expiresIn: 60 })), { type: 'auth_ok' })
  collect()
  client.socket.send('now')
  const request = await seen.promise
  const members: Array<[keyof FastifyRequest | 'own', unknown]> = [
    ['id', /^req-/], ['params', { room: '7' }], ['query', { a: '1' }], ['method', 'GET'], ['url', '/rooms/7?a=1'],
    ['originalUrl', '/rooms/7?a=1'], ['host', `127.0.0.1:${port}`], ['hostname', '127.0.0.1'], ['port', port],
    ['protocol', 'http'], ['ip', '127.0.0.1'], ['ips', ['127.0.0.1']], ['is404', false], ['ws', true], ['body', undefined],
    ['own', 'set'], ['routeOptions', { url: '/rooms/:room', config: { own: 1 } }], ['wsIdentity', { subject: 'alice' }],
    ['headers', { upgrade: 'websocket', 'sec-websocket-version': '13' }]
  ]
  for (const [name, expected] of members) t.match((request as unknown as Record<string, unknown>)[name], expected, name)
  t.equal(request.server.jwt, app.jwt)
  request.log.info('it logs')
  t.equal(request.getValidationFunction('query'), undefined)

  const raw: IncomingMessage = request.raw
  t.match(raw.headers, { upgrade: 'websocket' })
  t.ok(raw.rawHeaders.includes('Upgrade'))
  t.equal(raw.url, '/rooms/7?a=1')
  t.equal(raw.httpVersion, '1.1')
  t.equal(raw.complete, true)
  t.equal(raw.socket, request.socket)
  t.equal(raw.socket.remoteAddress, '127.0.0.1')
  const closed = once(raw.socket, 'close')
  client.socket.close()
  await closed
})

t.test('an error of an open connection is logged and ends it, although its request is gone', async t => {
  const lines: string[] = []
  const app = Fastify({ logger: { stream: { write: (line: string) => { lines.push(line) } } } })
  t.teardown(() => app.close())
  await app.register(websocket, websocketOptions())
  await app.register(fastifyJwt, { secret })
  await app.register(wsHandshake)
  app.get('/ws', { websocket: true }, app.wsHandshake(echo))
  await app.listen({ port: 0, host: '127.0.0.1' })
  const client = connect(t, (app.server.address() as AddressInfo).port)
  await client.auth(app.jwt.sign({ sub: 'alice' }, { expiresIn: 60 }))
  ;(client.socket as unknown as { _socket: { write (bytes: Buffer): void } })._socket.write(Buffer.from([0xff, 0xff]))
  await client.closed
  const ofSocket = lines.filter(line => line.includes('WS_ERR_'))
  t.equal(ofSocket.length, 1)
  t.match(JSON.parse(ofSocket[0] as string), { reqId: /^req-/, level: 30, code: 'WS_ERR_UNEXPECTED_RSV_2_3', err: undefined })
})

t.test('error listeners of others stay', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket, websocketOptions())
  await app.register(fastifyJwt, { secret })
  await app.register(wsHandshake)
  const heard: string[] = []
  app.websocketServer.on('connection', socket => { socket.on('error', () => { heard.push('instrumentation') }) })
  app.get('/ws', { websocket: true }, app.wsHandshake(socket => { socket.on('error', () => { heard.push('handler') }) }))
  await app.listen({ port: 0, host: '127.0.0.1' })
  const client = connect(t, (app.server.address() as AddressInfo).port)
  await client.auth(app.jwt.sign({ sub: 'alice' }, { expiresIn: 60 }))
  ;(client.socket as unknown as { _socket: { write (bytes: Buffer): void } })._socket.write(Buffer.from([0xff, 0xff]))
  await client.closed
  t.same(heard, ['instrumentation', 'handler'])
})
