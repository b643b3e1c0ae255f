import Fastify, { type FastifyInstance } from 'fastify'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import http2 from 'node:http2'
import net, { type AddressInfo } from 'node:net'
import { PassThrough } from 'node:stream'
import t, { type Test } from 'tap'
import tls from 'node:tls'
import { limitServer } from '../src/index.js'

const pem = (name: string): string => readFileSync(new URL(`../../../plugins/proxy/test/fixtures/${name}.pem`, import.meta.url), 'utf8')
const https = { cert: pem('server'), key: pem('server-key') }

/** Servers, and whether a client speaks TLS to them. */
const SERVERS: Record<string, { options: object, secure?: boolean }> = {
  'HTTP/1.1': { options: {} },
  'HTTP/1.1 with TLS': { options: { https }, secure: true },
  'HTTP/2 that takes HTTP/1.1': { options: { http2: true, https: { ...https, allowHTTP1: true } }, secure: true }
}

/** What a client sends and never ends. */
const UNENDING: Record<string, string> = {
  'a head': 'GET / HTTP/1.1\r\nHost: x\r\n',
  'a body': 'POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 1000\r\n\r\nabc',
  'a chunked body': 'POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n',
  'an answer': 'GET /stream HTTP/1.1\r\nHost: x\r\n\r\n',
  'a request after another': 'GET /quick HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\n',
  'nothing at all': ''
}

async function start (t: Test, options: object, shutdownTimeout: number, onClosing?: () => void) {
  // In use whenever no client is idle: Fastify closes what is.
  const app = Fastify({ ...options, connectionTimeout: 0 }) as unknown as FastifyInstance
  limitServer(app, { connectionTimeout: 0, shutdownTimeout })
  app.addHook('preClose', done => {
    // Node has stopped to listen by then.
    setImmediate(() => onClosing?.())
    done()
  })
  const body = new PassThrough()
  app.addContentTypeParser('text/plain', { parseAs: 'string' }, (_request, body, done) => done(null, body))
  app.post('/echo', async request => request.body)
  app.get('/quick', async () => 'quick')
  app.get('/stream', (_request, reply) => { reply.send(body) })
  const sockets: net.Socket[] = []
  app.server.on(app.server instanceof tls.Server ? 'secureConnection' : 'connection', (socket: net.Socket) => { sockets.push(socket) })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  t.teardown(() => app.close())
  return { app, port, body, sockets }
}

async function connect (t: Test, port: number, secure = false) {
  const socket = secure ? tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false }) : net.connect({ port, host: '127.0.0.1' })
  t.teardown(() => socket.destroy())
  const said: string[] = []
  socket.on('error', () => {}).on('data', chunk => said.push(String(chunk)))
  await once(socket, secure ? 'secureConnect' : 'connect')
  return { socket, said }
}

/** Waits until a server has read so many bytes of a client. */
async function hasRead (sockets: readonly net.Socket[], bytes: number, which = 0): Promise<void> {
  while ((sockets[which]?.bytesRead ?? -1) < bytes) await new Promise(resolve => setImmediate(resolve))
}

for (const [name, { options, secure }] of Object.entries(SERVERS)) {
  for (const [what, text] of Object.entries(UNENDING)) {
    t.test(`${what} that does not end holds no close of a server: ${name}`, async t => {
      const { app, port, sockets } = await start(t, options, 50)
      const { socket } = await connect(t, port, secure)
      socket.write(text)
      await hasRead(sockets, text.length)
      const closed = once(socket, 'close')
      await app.close()
      await closed
    })
  }
}

for (const [name, { options, secure }] of Object.entries(SERVERS)) {
  t.test(`an answer that is written and read in time is complete, whatever the server: ${name}`, async t => {
    let begun: (() => void) | undefined
    const { app, port, body } = await start(t, options, 600_000, () => begun?.())
    const { socket, said } = await connect(t, port, secure)
    socket.write('GET /stream HTTP/1.1\r\nHost: x\r\n\r\n')
    body.write('first')
    while (!said.join('').includes('first')) await once(socket, 'data')
    const preparing = new Promise<void>(resolve => { begun = resolve })
    const closing = app.close()
    await preparing
    body.end('last')
    while (!said.join('').endsWith('0\r\n\r\n')) await once(socket, 'data')
    t.match(said.join(''), /first[^]*last/)
    // A connection is kept for the next request, although none will be taken.
    socket.destroy()
    await closing
  })

  t.test(`a WebSocket is left to who closes it: ${name}`, async t => {
    const { app, port, sockets } = await start(t, options, 50)
    app.server.on('upgrade', (_request, socket) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
      // Also what a peer says after the bound arrives.
      socket.on('data', (chunk: Buffer) => { socket.end(chunk) })
    })
    const { socket, said } = await connect(t, port, secure)
    socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
    await once(socket, 'data')
    const other = await connect(t, port, secure)
    other.socket.write('GET / HTTP/1.1\r\n')
    await hasRead(sockets, 1, 1)
    const closing = app.close()
    await once(other.socket, 'close')
    socket.write('hello')
    await once(socket, 'close')
    await closing
    t.match(said.join(''), /101[^]*hello$/)
  })
}

t.test('the streams of HTTP/2 that do not end hold no close', async t => {
  const { app, port, body } = await start(t, { http2: true }, 50)
  body.write('first')
  const session = http2.connect(`http://127.0.0.1:${port}`)
  t.teardown(() => session.destroy())
  session.on('error', () => {})
  const stream = session.request({ ':path': '/stream' })
  stream.on('error', () => {})
  await once(stream, 'response')
  const closed = once(session, 'close')
  await app.close()
  await closed
})

t.test('a connection that comes after that, while other plugins close, is closed at once', async t => {
  const held: { release?: () => void } = {}
  const late = Fastify() as unknown as FastifyInstance
  limitServer(late, { shutdownTimeout: 50 })
  late.addHook('preClose', done => { held.release = done })
  await late.listen({ port: 0, host: '127.0.0.1' })
  const address = late.server.address() as AddressInfo
  const first = await connect(t, address.port)
  first.socket.write('GET / HTTP/1.1\r\n')
  const closing = late.close()
  await once(first.socket, 'close')
  const second = net.connect(address.port, '127.0.0.1').on('error', () => {})
  await once(second, 'close')
  held.release?.()
  await closing
})

t.test('the last call counts, 0 is no limit, and a server that has started is told so', async t => {
  const { app, port, body } = await start(t, {}, 1)
  limitServer(app, { connectionTimeout: 0, shutdownTimeout: 0 })
  const { socket, said } = await connect(t, port)
  socket.write('GET /stream HTTP/1.1\r\nHost: x\r\n\r\n')
  body.write('first')
  while (!said.join('').includes('first')) await once(socket, 'data')
  const closing = app.close()
  // Longer than the first call has allowed.
  await new Promise(resolve => setTimeout(resolve, 20))
  body.end('last')
  while (!said.join('').endsWith('0\r\n\r\n')) await once(socket, 'data')
  t.match(said.join(''), /last/)
  socket.destroy()
  await closing
  const other = Fastify()
  t.teardown(() => other.close())
  await other.listen({ port: 0, host: '127.0.0.1' })
  t.throws(() => limitServer(other as unknown as FastifyInstance, { requestTimeout: 5 }), { code: 'FST_ERR_INSTANCE_ALREADY_LISTENING' })
  t.equal(other.server.requestTimeout, 0)
})
