import fastifyJwt from '@fastify/jwt'
import websocket from '@fastify/websocket'
import { websocketOptions } from '@fastify-airlock/core'
import Fastify from 'fastify'
import t from 'tap'
import type { WebSocket } from 'ws'
import defaultExport, { wsHandshake, type WsHandshakeOptions } from '../src/index.js'
import { clientOf, connect, tcp, upgrade } from './helpers.js'
import type { AddressInfo } from 'node:net'

const verify = (token: string) => ({ sub: token, exp: Date.now() / 1000 + 60 })

t.test('clients without an address are not counted', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket, websocketOptions())
  await app.register(wsHandshake, { jwt: { verify }, pendingPerAddress: 1 })
  app.get('/ws', { websocket: true }, app.wsHandshake(() => {}))
  await app.ready()
  const sockets = await Promise.all([app.injectWS('/ws'), app.injectWS('/ws'), app.injectWS('/ws')])
  for (const socket of sockets) {
    t.equal(socket.readyState, socket.OPEN)
    socket.terminate()
  }
})

t.test('the plugin works alone on a bare Fastify, with injectWS', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket)
  await app.register(wsHandshake, { jwt: { verify } })
  app.get<{ Params: { room: string } }>('/rooms/:room', { websocket: true }, app.wsHandshake((socket, request) => {
    socket.send(`${request.wsIdentity.subject} in ${request.params.room}`)
  }))
  await app.ready()
  let client: ReturnType<typeof clientOf> | undefined
  const socket = await app.injectWS('/rooms/7', {}, { onInit: socket => { client = clientOf(socket as WebSocket) } })
  t.match(await client?.auth('carol'), { type: 'auth_ok', user: { id: 'carol' } })
  t.equal(await client?.next(), 'carol in 7')
  socket.terminate()
})

t.test('the plugin is the default export as well', async t => {
  t.equal(defaultExport, wsHandshake)
})

t.test('without @fastify/websocket it does not start', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  app.register(wsHandshake)
  await t.rejects(async () => { await app.ready() }, { code: 'WSA_HANDSHAKE_ERR_NOT_WEBSOCKET', message: /await it before any route/ })
})

t.test('a route that @fastify/websocket does not know answers neither 200 nor 101', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  app.register(async child => {
    await child.register(websocket)
    await child.register(wsHandshake, { jwt: { verify } })
    const handler = child.wsHandshake(() => { t.fail('the handler ran') })
    app.get('/other-scope', { websocket: true }, handler)
    child.get('/forgotten', (...given) => handler.apply(child, given as never))
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  for (const url of ['/other-scope', '/forgotten']) {
    const response = await app.inject(url)
    t.equal(response.statusCode, 500)
    t.equal(response.json().code, 'WSA_HANDSHAKE_ERR_NOT_WEBSOCKET')
  }
  // Nobody owns such a socket, and it would keep the server from closing.
  app.server.once('upgrade', (_, socket) => { t.teardown(() => socket.destroy()) })
  const peer = tcp(t, (app.server.address() as AddressInfo).port, upgrade('/other-scope'))
  t.match(await peer.until('WSA_HANDSHAKE_ERR_NOT_WEBSOCKET'), /^HTTP\/1.1 500 /)
})

t.test('an error about options names the option, at registration and at the route', async t => {
  const mistakes: Array<[unknown, RegExp]> = [
    [{ authTimeuot: 1 }, /authTimeuot: /],
    [{ authTimeout: 0 }, /authTimeout: /],
    [{ maxAuthBytes: '8' }, /maxAuthBytes: /],
    [{ maxEarlyFrames: -1 }, /maxEarlyFrames: /],
    [{ maxEarlyBytes: 0.5 }, /maxEarlyBytes: /],
    [{ listenTimeout: 0 }, /listenTimeout: /],
    [{ closeTimeout: Infinity }, /closeTimeout: /],
    [{ expiringAt: 0 }, /expiringAt: /],
    [{ expiringAt: 1.1 }, /expiringAt: /],
    [{ expiryGrace: -1 }, /expiryGrace: /],
    [{ pendingPerAddress: 0 }, /pendingPerAddress: /],
    [{ isRevoked: true }, /isRevoked: /],
    [{ authorize: 'admin' }, /authorize: /],
    [{ authorizeMessage: {} }, /authorizeMessage: /],
    [{ scopeClaims: 'scope' }, /scopeClaims: /],
    [{ describeUser: {} }, /describeUser: /],
    [{ hub: 1 }, /hub: /],
    [{ jwt: { algorithm: ['HS256'] } }, /jwt\.algorithm: /]
  ]
  const good = Fastify()
  t.teardown(() => good.close())
  await good.register(websocket)
  await good.register(wsHandshake, { jwt: { verify } })
  for (const [options, message] of mistakes) {
    const expected = { code: 'WSA_HANDSHAKE_ERR_OPTION', message }
    t.throws(() => good.wsHandshake(() => {}, options as WsHandshakeOptions), expected, String(message))
    const bad = Fastify()
    t.teardown(() => bad.close())
    bad.register(websocket)
    bad.register(wsHandshake, options as WsHandshakeOptions)
    await t.rejects(async () => { await bad.ready() }, expected, String(message))
  }
  t.throws(() => good.wsHandshake(undefined as never), { code: 'WSA_HANDSHAKE_ERR_OPTION', message: /handler: / })
  t.throws(() => good.wsHandshake(() => {}, { jwt: {} }), { code: 'WSA_HANDSHAKE_ERR_OPTION', message: /@fastify\/jwt/ })
})

t.test('a route overrides the registration, one option at a time', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket, websocketOptions())
  await app.register(fastifyJwt, { secret: 'unused, since every token is verified in another way' })
  await app.register(wsHandshake, { jwt: { verify }, authorize: () => false, pendingPerAddress: 1 })
  app.get('/closed', { websocket: true }, app.wsHandshake(() => {}))
  app.get('/open', { websocket: true }, app.wsHandshake(() => {}, { authorize: () => true }))
  app.get('/own-pool', { websocket: true }, app.wsHandshake(() => {}, { authorize: () => true, pendingPerAddress: 2 }))
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  t.match(await connect(t, port, '/closed').auth('carol'), { type: 'auth_error', code: 4403 })
  t.match(await connect(t, port, '/open').auth('carol'), { type: 'auth_ok' })
  const pending = [connect(t, port, '/open'), connect(t, port, '/own-pool'), connect(t, port, '/own-pool')]
  for (const client of pending) await client.opened()
  t.match(await connect(t, port, '/closed').next(), { type: 'auth_error', code: 4429 }, 'routes share a pool')
  for (const client of pending) t.match(await client.auth('carol'), { type: 'auth_ok' }, 'except a route with a number of its own')
})

t.test('an auth message that the server would refuse as too long cannot be allowed', async t => {
  const make = async (maxPayload: number | undefined, atRegistration: WsHandshakeOptions, atRoute: WsHandshakeOptions) => {
    const app = Fastify()
    t.teardown(() => app.close())
    await app.register(websocket, maxPayload === undefined ? {} : { options: { maxPayload } })
    await app.register(wsHandshake, { jwt: { verify }, ...atRegistration })
    return app.wsHandshake(() => {}, atRoute)
  }
  const expected = { code: 'WSA_HANDSHAKE_ERR_OPTION', message: /maxAuthBytes: Expected at most maxPayload of @fastify\/websocket, 5000, not 5001: .*websocketOptions/ }
  await t.rejects(make(5_000, { maxAuthBytes: 5_001 }, {}), expected)
  await t.rejects(make(5_000, {}, { maxAuthBytes: 5_001 }), expected)
  for (const [maxPayload, maxAuthBytes] of [[5_000, 5_000], [0, 5_000], [undefined, 5_000], [5_000, undefined]] as const) {
    await t.resolves(make(maxPayload, {}, maxAuthBytes === undefined ? {} : { maxAuthBytes }), `${String(maxPayload)}, ${String(maxAuthBytes)}`)
  }
})
