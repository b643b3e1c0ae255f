// Takes long: it waits for time limits to pass.
import fastifyJwt from '@fastify/jwt'
import websocket from '@fastify/websocket'
import { limitServer, serverOptions, type ServerOptionsInput, websocketOptions } from '@fastify-airlock/core'
import wsGuard, { type GuardPluginOptions } from '@fastify-airlock/guard'
import wsHandshake, { type WsHandshakeOptions } from '@fastify-airlock/handshake'
import wsHeartbeat, { type WsHeartbeatOptions } from '@fastify-airlock/heartbeat'
import wsTickets from '@fastify-airlock/ticket'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import http from 'node:http'
import https from 'node:https'
import net, { type AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import tls from 'node:tls'
import { WebSocket } from 'ws'
import { until } from '../helpers.js'
import { head } from './wire.js'

const pem = (name: string): string => readFileSync(new URL(`../../plugins/proxy/test/fixtures/${name}.pem`, import.meta.url), 'utf8')

/** Times that end nobody in these tests. */
const PATIENT = { requestTimeout: 600_000, headersTimeout: 600_000, connectionTimeout: 600_000, keepAliveTimeout: 600_000, handshakeTimeout: 600_000, connectionsCheckingInterval: 20 }

/** A "second" here, in milliseconds: what drips sends a byte in each. */
const SECOND = 20

interface Options {
  secure?: boolean
  server?: Omit<ServerOptionsInput, 'http' | 'https'>
  guard?: GuardPluginOptions
  handshake?: WsHandshakeOptions
  heartbeat?: WsHeartbeatOptions
  maxConnections?: number
}

async function start (t: Test, { secure = false, server = {}, guard = {}, handshake = {}, heartbeat = {}, maxConnections }: Options) {
  // A head is part of its request.
  const limits = { ...PATIENT, ...server.requestTimeout !== undefined && { headersTimeout: server.requestTimeout }, ...server }
  const options = secure ? serverOptions({ ...limits, https: { cert: pem('server'), key: pem('server-key') } }) : serverOptions(limits)
  const app = Fastify(options as FastifyServerOptions) as unknown as FastifyInstance
  t.teardown(() => app.close())
  if (maxConnections !== undefined) limitServer(app, { maxConnections })
  await app.register(websocket, websocketOptions({ closeTimeout: 100 }))
  await app.register(wsGuard, { upgradeTimeout: 600_000, ...guard })
  await app.register(fastifyJwt, { secret: 'a secret for tests that is long enough' })
  await app.register(wsTickets)
  await app.register(wsHandshake, { authTimeout: 600_000, closeTimeout: 100, ...handshake })
  await app.register(wsHeartbeat, { interval: 600_000, timeout: 300_000, ...heartbeat })
  app.get('/ws', { websocket: true, preValidation: app.wsGuard() }, app.wsHandshake(socket => {
    socket.on('message', data => socket.send(String(data)))
  }))
  app.get('/never', { websocket: true, preValidation: app.wsGuard({ authenticate: () => new Promise<null>(() => {}) }) }, () => {})
  app.post('/echo', async request => request.body)
  app.get('/never-read', async () => 'x'.repeat(64 * 1024 * 1024))
  /** Whether the connection of a client's port is open; `undefined` before the server has it. */
  const connected = new Map<number | undefined, boolean>()
  app.server.on('connection', (socket: net.Socket) => {
    const { remotePort } = socket
    connected.set(remotePort, true)
    socket.on('close', () => { connected.set(remotePort, false) })
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const ticket = async (): Promise<string> => (await app.wsTickets.issue('alice')).ticket
  const jwt = (): string => app.jwt.sign({ sub: 'alice' }, { expiresIn: 600 })

  /** A user with an open WebSocket, and the round trips that it makes. */
  const enter = async () => {
    const client = new WebSocket(`ws${secure ? 's' : ''}://127.0.0.1:${port}/ws?ticket=${await ticket()}`, { rejectUnauthorized: false })
    t.teardown(() => client.terminate())
    client.on('error', () => {})
    await once(client, 'open')
    const messages: string[] = []
    client.on('message', data => { messages.push(String(data)) })
    client.send(JSON.stringify({ type: 'auth', token: jwt() }))
    await until(() => messages.length === 1)
    return {
      client,
      echo: async (): Promise<void> => {
        const { length } = messages
        client.send(`${length}`)
        await until(() => messages.length > length || client.readyState !== WebSocket.OPEN)
        if (messages.length === length) throw new Error('the WebSocket is closed')
      }
    }
  }
  const post = async (): Promise<number> => await new Promise((resolve, reject) => {
    const options = { port, host: '127.0.0.1', path: '/echo', method: 'POST', rejectUnauthorized: false, agent: false, headers: { 'content-type': 'application/json' } } as const
    const asked = (secure ? https : http).request(options, response => {
      text(response).then(() => resolve(response.statusCode as number), reject)
    })
    asked.on('error', reject)
    asked.end('{"a":1}')
  })
  return { app, port, ticket, jwt, enter, post, secure, connected }
}

type Started = Awaited<ReturnType<typeof start>>

interface Peer {
  socket: net.Socket
  /** What the server has said, and whether it has ended the connection. */
  state: { text: string, closed: boolean }
  /** Sends a byte in each "second". */
  drip (bytes: Buffer | string): void
}

/** A client of the network; `closed` resolves when the server has ended it. */
async function peer (t: Test, { port, secure }: Started, plain = false): Promise<Peer> {
  const socket = secure && !plain ? tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false }) : net.connect({ port, host: '127.0.0.1' })
  t.teardown(() => socket.destroy())
  socket.on('error', () => {})
  const state = { text: '', closed: false }
  socket.on('data', chunk => { state.text += (chunk as Buffer).toString('latin1') })
  socket.on('close', () => { state.closed = true })
  await once(socket, secure && !plain ? 'secureConnect' : 'connect')
  const drip = (bytes: Buffer | string): void => {
    let sent = 0
    const timer = setInterval(() => { if (!socket.destroyed && socket.writable) socket.write(Buffer.from([Buffer.from(bytes as string)[sent++ % bytes.length] as number])) }, SECOND)
    t.teardown(() => clearInterval(timer))
  }
  return { socket, state, drip }
}

const frame = (text: string): Buffer => Buffer.concat([Buffer.from([0x81, 0xfe, text.length >> 8, text.length & 0xff, 0, 0, 0, 0]), Buffer.from(text)])

const LONG = frame('x'.repeat(8_000))

/** What a slow peer does, at which stage, and the option that ends it. */
interface Slow {
  options: Options
  /** Begins what never ends. */
  act: (peer: Peer, tools: Started) => Promise<void> | void
  /** What the server has said until it closed. */
  answer: RegExp
  /** Without TLS of its own on a server with TLS. */
  plain?: boolean
}

const open = async ({ socket, state }: Peer, { ticket }: Started): Promise<void> => {
  socket.write(head({ target: `/ws?ticket=${await ticket()}` }))
  await until(() => state.text.includes('\r\n\r\n') || state.closed)
}

const HEAD = `POST /echo HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: ${'a'.repeat(8_000)}`

const SLOW: Record<string, Slow> = {
  'nothing at all: headersTimeout': { options: { server: { headersTimeout: 200 } }, act: () => {}, answer: /^HTTP\/1\.1 408 / },
  'nothing at all: connectionTimeout': { options: { server: { connectionTimeout: 200 } }, act: () => {}, answer: /^$/ },
  'half a head and then nothing: headersTimeout': { options: { server: { headersTimeout: 200 } }, act: ({ socket }) => { socket.write('GET / HTTP/1.1\r\nHost: a\r\n') }, answer: /^HTTP\/1\.1 408 / },
  'half a head and then nothing: connectionTimeout': { options: { server: { connectionTimeout: 200 } }, act: ({ socket }) => { socket.write('GET / HTTP/1.1\r\nHost: a\r\n') }, answer: /^$/ },
  'a byte a second of a head: headersTimeout': { options: { server: { headersTimeout: 200 } }, act: ({ drip }) => { drip(HEAD) }, answer: /^HTTP\/1\.1 408 / },
  'a byte a second of the head of an upgrade: headersTimeout': { options: { server: { headersTimeout: 200 } }, act: ({ drip }) => { drip(head({ lines: [`X-A: ${'a'.repeat(8_000)}`] })) }, answer: /^HTTP\/1\.1 408 / },
  'a byte a second of a head: requestTimeout': { options: { server: { requestTimeout: 200 } }, act: ({ drip }) => { drip(HEAD) }, answer: /^HTTP\/1\.1 408 / },
  'a byte a second of a second head: headersTimeout': {
    options: { server: { headersTimeout: 200 } },
    act: async ({ socket, state, drip }) => {
      socket.write('GET /none HTTP/1.1\r\nHost: a\r\n\r\n')
      await until(() => state.text.includes(' 404 ') || state.closed)
      drip(HEAD)
    },
    answer: / 404 [^]*HTTP\/1\.1 408 /
  },
  'a byte a second of a body: requestTimeout': { options: { server: { requestTimeout: 200 } }, act: ({ socket, drip }) => { socket.write('POST /echo HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n'); drip('1') }, answer: /^HTTP\/1\.1 408 / },
  'a byte a second of a chunk: requestTimeout': { options: { server: { requestTimeout: 200 } }, act: ({ socket, drip }) => { socket.write('POST /echo HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n'); drip('1') }, answer: /^HTTP\/1\.1 408 / },
  'a byte a second of a body that nobody reads: requestTimeout': { options: { server: { requestTimeout: 200 } }, act: ({ socket, drip }) => { socket.write('POST /none HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n'); drip('1') }, answer: /^HTTP\/1\.1 4\d\d / },
  'half a body and then nothing: connectionTimeout': { options: { server: { connectionTimeout: 200 } }, act: ({ socket }) => { socket.write('POST /echo HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n[1,') }, answer: /^$/ },
  'no request after an answer: keepAliveTimeout': { options: { server: { keepAliveTimeout: 200 } }, act: ({ socket }) => { socket.write('GET /none HTTP/1.1\r\nHost: a\r\n\r\n') }, answer: /^HTTP\/1\.1 404 / },
  'an answer that is not read: connectionTimeout': {
    options: { server: { connectionTimeout: 300 } },
    act: async ({ socket }, { connected }) => {
      socket.pause()
      socket.write('GET /never-read HTTP/1.1\r\nHost: a\r\n\r\n')
      const { localPort } = socket
      await until(() => connected.get(localPort) === false)
      // Only who reads sees the end.
      socket.resume()
    },
    answer: /^HTTP\/1\.1 200 /
  },
  'an upgrade that nobody answers: upgradeTimeout': { options: { guard: { upgradeTimeout: 200 } }, act: ({ socket, drip }) => { socket.write(head({ target: '/never' })); drip('x') }, answer: /^HTTP\/1\.1 503 [^]*WSA_GUARD_ERR_TIMEOUT/ },
  'no first frame: authTimeout': { options: { handshake: { authTimeout: 200 } }, act: open, answer: /authentication timeout/ },
  'a byte a second of a first frame: authTimeout': { options: { handshake: { authTimeout: 200 } }, act: async (peer, tools) => { await open(peer, tools); peer.drip(LONG) }, answer: /authentication timeout/ },
  'a ping a second and no first frame: authTimeout': { options: { handshake: { authTimeout: 200 } }, act: async (peer, tools) => { await open(peer, tools); peer.drip(Buffer.from([0x89, 0x80, 0, 0, 0, 0])) }, answer: /authentication timeout/ },
  'nothing after auth_ok: the heartbeat': { options: { heartbeat: { interval: 150, timeout: 100 } }, act: async (peer, tools) => { await open(peer, tools); peer.socket.write(frame(JSON.stringify({ type: 'auth', token: tools.jwt() }))) }, answer: /auth_ok/ },
  'no byte of TLS: handshakeTimeout': { options: { secure: true, server: { handshakeTimeout: 300 } }, plain: true, act: () => {}, answer: /^$/ },
  'a byte a second of a ClientHello: handshakeTimeout': { options: { secure: true, server: { handshakeTimeout: 300 } }, plain: true, act: ({ drip }) => { drip(Buffer.concat([Buffer.from('16030102000100', 'hex'), Buffer.alloc(4_096)])) }, answer: /^$/ },
  'nothing at all over TLS: headersTimeout': { options: { secure: true, server: { headersTimeout: 300 } }, act: () => {}, answer: /^HTTP\/1\.1 408 / },
  'nothing at all over TLS: connectionTimeout': { options: { secure: true, server: { connectionTimeout: 300 } }, act: () => {}, answer: /^$/ },
  'a byte a second of a head over TLS: headersTimeout': { options: { secure: true, server: { headersTimeout: 300 } }, act: ({ drip }) => { drip(HEAD) }, answer: /^HTTP\/1\.1 408 / },
  'a byte a second of a body over TLS: requestTimeout': { options: { secure: true, server: { requestTimeout: 300 } }, act: ({ socket, drip }) => { socket.write('POST /echo HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n'); drip('1') }, answer: /^HTTP\/1\.1 408 / },
  'a byte a second of a first frame over TLS: authTimeout': { options: { secure: true, handshake: { authTimeout: 300 } }, act: async (peer, tools) => { await open(peer, tools); peer.drip(LONG) }, answer: /authentication timeout/ }
}

for (const [name, { options, act, answer, plain }] of Object.entries(SLOW)) {
  t.test(`${name} ends it, and a good user is served meanwhile`, async t => {
    const started = await start(t, options)
    const slow = Promise.all(Array.from({ length: 5 }, async () => {
      // On a machine that stands still for a moment, a peer may be cut before it has come to what it does.
      let said
      do {
        const one = await peer(t, started, plain)
        await act(one, started)
        await until(() => one.state.closed)
        said = one.state.text
      } while (!answer.test(said))
      return said
    }))
    await served(started)
    for (const said of await slow) t.match(said.slice(0, 1_000), answer)
    await served(started)
  })
}

/** A request is answered. A machine that stands still for long enough may have a good user cut as well; it comes again. */
async function served ({ post }: Started): Promise<void> {
  await until(async () => await post().catch(() => 0) === 200)
}

for (const secure of [false, true]) {
  t.test(`no time limit of the server ends a WebSocket that is open${secure ? ', over TLS' : ''}`, async t => {
    const limit = secure ? 400 : 200
    const started = await start(t, { secure, server: { requestTimeout: limit, headersTimeout: limit, connectionTimeout: limit, keepAliveTimeout: limit, handshakeTimeout: secure ? 5_000 : limit } })
    // A machine that stands still may have it cut before its upgrade.
    let user: Awaited<ReturnType<Started['enter']>> | null = null
    while (user === null) user = await started.enter().catch(() => null)
    // Each of these is a limit that has passed.
    for (let round = 0; round < 3; round++) {
      const silent = await peer(t, started, secure)
      const half = await peer(t, started)
      half.socket.write('POST /echo HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n')
      half.drip('1')
      if (!secure) await until(() => silent.state.closed)
      await until(() => half.state.closed)
      await user.echo()
    }
    t.equal(user.client.readyState, WebSocket.OPEN)
  })
}

t.test('maxConnections bounds all connections, and the open ones are served', async t => {
  const started = await start(t, { maxConnections: 4 })
  const user = await started.enter()
  const silent = []
  for (let i = 0; i < 3; i++) silent.push(await peer(t, started))
  const late = await peer(t, started)
  await until(() => late.state.closed)
  t.equal(late.state.text, '')
  await user.echo()
  silent[0]?.socket.destroy()
  await served(started)
})

for (const secure of [false, true]) {
  t.test(`connectionsPerAddress bounds silent connections${secure ? ' before their TLS handshake' : ''}, and a user of another address gets in`, async t => {
    const started = await start(t, { secure, guard: { connectionsPerAddress: 50 } })
    const silent = await Promise.all(Array.from({ length: 200 }, () => peer(t, started, true)))
    await until(() => silent.filter(({ state }) => state.closed).length === 150)
    t.equal(started.app.wsGuard.dropped, 150)
    const client = new WebSocket(`ws${secure ? 's' : ''}://127.0.0.1:${started.port}/ws?ticket=${await started.ticket()}`, { localAddress: '127.0.0.2', rejectUnauthorized: false })
    t.teardown(() => client.terminate())
    await once(client, 'open')
    client.send(JSON.stringify({ type: 'auth', token: started.jwt() }))
    t.match(JSON.parse(String((await once(client, 'message'))[0])), { type: 'auth_ok' })
    t.equal(silent.filter(({ state }) => state.closed).length, 150)
  })
}
