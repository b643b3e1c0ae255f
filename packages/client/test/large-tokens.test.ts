import fastifyCookie from '@fastify/cookie'
import fastifyJwt from '@fastify/jwt'
import websocket from '@fastify/websocket'
import { websocketOptions } from '@fastify-airlock/core'
import wsGuard, { jwt } from '@fastify-airlock/guard'
import wsHandshake from '@fastify-airlock/handshake'
import wsIntrospect from '@fastify-airlock/introspect'
import wsProxy from '@fastify-airlock/proxy'
import wsTickets from '@fastify-airlock/ticket'
import Fastify from 'fastify'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { connect as connectClient, type ConnectOptions } from '../src/index.js'

const KIB = 1024
/** Room for a token and for what is around it. */
const MORE = 4 * KIB
/** Node's own limit for all headers of a request. */
const HEADERS = 16 * KIB

const SIZES = [12 * KIB, 60 * KIB]

/** A server with every place that takes a token, set up for tokens of a size. */
async function build (t: Test, size: number, maxAuthBytes: number | null = size + MORE) {
  const upstream = Fastify({ http: { maxHeaderSize: size + HEADERS } })
  const seen: string[] = []
  await upstream.register(websocket)
  upstream.get('/', { websocket: true }, (socket, request) => {
    seen.push(request.headers.authorization as string)
    socket.send('"upstream"')
  })
  const upstreamUrl = await start(t, upstream)

  // 12 KiB fit into the default.
  const app = Fastify(size + MORE <= HEADERS ? {} : { http: { maxHeaderSize: size + HEADERS } })
  const limit = maxAuthBytes === null ? {} : { maxAuthBytes }
  await app.register(websocket, websocketOptions({ maxPayload: size + MORE }))
  await app.register(wsGuard)
  await app.register(fastifyCookie)
  await app.register(fastifyJwt, { secret: 'a secret for tests that is long enough' })
  await app.register(wsTickets)
  await app.register(wsHandshake, limit)
  const asked: string[] = []
  await app.register(wsIntrospect, {
    ...limit,
    cookie: 'token',
    query: 'token',
    cacheTtl: 0,
    negativeCacheTtl: 0,
    lookup: token => {
      asked.push(token)
      return { subject: 'alice' }
    }
  })
  await app.register(wsProxy)

  app.get('/ws', { websocket: true, preValidation: app.wsGuard() }, app.wsHandshake(socket => { socket.send('"hello"') }))
  app.get('/jwt', { websocket: true, preValidation: app.wsGuard({ authenticate: jwt({ cookie: 'token', query: 'token' }) }) }, socket => { socket.send('"hello"') })
  app.get('/asked', { websocket: true, preValidation: app.wsGuard({ authenticate: app.wsIntrospect.authenticator() }) }, socket => { socket.send('"hello"') })
  app.get('/http', { preHandler: app.wsIntrospect.authenticate }, async () => 'hello')
  const upstreamWs = upstreamUrl.replace('http', 'ws')
  const before = app.wsProxy({ upstream: upstreamWs, forwardHeaders: ['authorization'] })
  app.get('/proxy', { websocket: true, preValidation: [app.wsGuard({ authenticate: jwt() }), before.dial] }, before)
  const after = app.wsProxy({ upstream: upstreamWs, dial: 'authenticated' })
  app.get('/proxy-by-frame', { websocket: true, preValidation: app.wsGuard({ authenticate: () => ({ subject: 'alice' }) }) }, app.wsHandshake(after))
  const url = await start(t, app)
  return { app, url, ws: url.replace('http', 'ws'), token: (n = 0) => sign(app, size, n), asked, seen }
}

async function start (t: Test, app: ReturnType<typeof Fastify>): Promise<string> {
  t.teardown(() => app.close())
  await app.listen({ port: 0, host: '127.0.0.1' })
  return `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`
}

/** Connects, and gives the parsed messages one after the other. */
async function connect (t: Test, url: string, protocols: string[] = [], headers: Record<string, string> = {}) {
  const socket = new WebSocket(url, protocols, { headers })
  t.teardown(() => socket.terminate())
  const messages: unknown[] = []
  socket.on('message', data => {
    messages.push(JSON.parse(String(data)))
    socket.emit('kept')
  })
  await once(socket, 'open')
  return {
    send: (message: object) => socket.send(JSON.stringify(message)),
    next: async (): Promise<unknown> => {
      while (messages.length === 0) await once(socket, 'kept')
      return messages.shift()
    }
  }
}

/** A JWT of about that many bytes. */
function sign (app: { jwt: { sign (payload: object, options: object): string } }, size: number, n: number): string {
  return app.jwt.sign({ sub: 'alice', n, groups: 'g'.repeat(Math.floor((size - 400) * 3 / 4)) }, { expiresIn: 600 })
}

for (const size of SIZES) {
  t.test(`a JWT of ${size / KIB} KiB, where the limits are raised on both sides`, async t => {
    const { url, ws, token, asked, seen } = await build(t, size)
    const jwt = token()
    t.ok(jwt.length > size - KIB && jwt.length <= size, `${jwt.length}`)

    await t.test('the client: ticket, first frame, message, refresh', async t => {
      let refreshes = 0
      const connection = connectClient({
        url: `${ws}/ws`,
        getTicket: async ({ signal }) => await fetch(`${url}/ws/ticket`, { method: 'POST', headers: { authorization: `Bearer ${jwt}` }, signal }),
        getToken: ({ reason }) => reason === 'refresh' ? token(++refreshes) : jwt,
        WebSocket: WebSocket as unknown as NonNullable<ConnectOptions['WebSocket']>,
        maxAuthBytes: size + MORE
      })
      t.teardown(() => connection.close())
      const message = new Promise(resolve => connection.on('message', resolve))
      await connection.ready()
      t.equal(await message, 'hello')
      await connection.refresh()
      t.equal(refreshes, 1)
    })

    await t.test('every carrier of the guard, of introspection and of the proxy', async t => {
      const carriers: Array<[name: string, path: string, protocols: string[], headers: Record<string, string>]> = [
        ['header', '', [], { authorization: `Bearer ${jwt}` }],
        ['subprotocol', '', ['airlock.v1', `bearer.${jwt}`], {}],
        ['cookie', '', [], { cookie: `token=${jwt}`, origin: url }],
        ['query', `?token=${jwt}`, [], {}]
      ]
      for (const route of ['/jwt', '/asked']) {
        for (const [name, query, protocols, headers] of carriers) {
          const { next } = await connect(t, `${ws}${route}${query}`, protocols, headers)
          t.equal(await next(), 'hello', `${route} ${name}`)
        }
      }
      t.same(asked, Array(4).fill(jwt))
      t.equal((await fetch(`${url}/http`, { headers: { authorization: `Bearer ${jwt}` } })).status, 200)

      const forwarded = await connect(t, `${ws}/proxy`, [], { authorization: `Bearer ${jwt}` })
      t.equal(await forwarded.next(), 'upstream')
      t.equal(seen.pop(), `Bearer ${jwt}`)
      const byFrame = await connect(t, `${ws}/proxy-by-frame`)
      byFrame.send({ type: 'auth', token: jwt })
      t.match(await byFrame.next(), { type: 'auth_ok' })
      t.equal(await byFrame.next(), 'upstream')
    })
  })

  t.test(`a JWT of ${size / KIB} KiB, where the server keeps its limit`, async t => {
    const { app, url, ws, token, asked } = await build(t, size, null)
    const connection = connectClient({
      url: `${ws}/ws`,
      getTicket: async () => (await app.wsTickets.issue('alice')).ticket,
      getToken: () => token(),
      WebSocket: WebSocket as unknown as NonNullable<ConnectOptions['WebSocket']>,
      maxAuthBytes: size + MORE
    })
    const { code, reason } = await connection.closed
    t.same([code, reason], [4400, 'auth message expected'])
    t.equal((await fetch(`${url}/http`, { headers: { authorization: `Bearer ${token()}` } })).status, 401)
    t.same(asked, [], 'nobody is asked')
  })
}

t.test('headers have a limit of Node\'s own', async t => {
  const { app, url, token } = await build(t, SIZES[0] as number)
  t.equal((await fetch(`${url}/ws/ticket`, { method: 'POST', headers: { authorization: `Bearer ${sign(app, 60 * KIB, 0)}` } })).status, 431)
  t.equal((await fetch(`${url}/ws/ticket`, { method: 'POST', headers: { authorization: `Bearer ${token()}` } })).status, 201)
})
