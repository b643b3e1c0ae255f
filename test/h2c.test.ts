import fastifyJwt from '@fastify/jwt'
import websocket from '@fastify/websocket'
import wsGuard, { asksForWebSocket, websocketOptions } from '@fastify-airlock/guard'
import wsTickets from '@fastify-airlock/ticket'
import Fastify from 'fastify'
import http from 'node:http'
import net, { type AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { connect } from './helpers.js'

/** What Java's HttpClient and `curl --http2` send with every request over `http:`. */
const H2C = 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\n'

const skip = 'shouldUpgradeCallback' in http.createServer()
  ? false
  : `Node ${process.versions.node} has no shouldUpgradeCallback, which came with 24.9: @fastify/websocket refuses such requests`

/** The documented cure, and what the guard does by itself. */
const CURES = {
  'the option of Node': { http: { shouldUpgradeCallback: asksForWebSocket } },
  'the guard alone': {},
  'both, with a server of the application': {
    serverFactory: (handler: http.RequestListener) => http.createServer({ shouldUpgradeCallback: asksForWebSocket } as http.ServerOptions, handler)
  }
}

for (const [name, options] of Object.entries(CURES)) {
  t.test(`Upgrade: h2c on plain requests is answered over HTTP/1.1, by ${name}`, { skip }, async t => {
    const { app, port, ask } = await build(t, options)
    t.match(await ask('POST /ws/ticket'), /^HTTP\/1.1 201 [^]*"ticket":/)
    t.match(await ask('POST /ws/ticket', '{"audience":"websocket"}'), /^HTTP\/1.1 201 /)
    t.match(await ask('POST /login', '{"user":"alice"}'), /^HTTP\/1.1 200 [^]*\{"user":"alice"\}$/)
    t.match(await ask('GET /hello'), /^HTTP\/1.1 200 [^]*hello$/)
    t.match(await ask('GET /nowhere'), /^HTTP\/1.1 404 /)
    t.match(await ask('GET /ws'), /^HTTP\/1.1 400 [^]*WSA_GUARD_ERR_NOT_UPGRADE/, 'on the route of the socket')

    const { ticket } = await app.wsTickets.issue('alice')
    const client = await connect(t, `ws://127.0.0.1:${port}/ws`, ['airlock.v1', `ticket.${ticket}`])
    t.same(await client.next(), { hello: 'alice' }, 'and WebSockets are as they were')
    client.socket.terminate()
  })
}

t.test('where Node has no such option, such a request is refused and holds no socket', { skip: skip === false && 'this Node has it' }, async t => {
  const { ask } = await build(t, CURES['the option of Node'])
  for (const line of ['GET /hello', 'POST /ws/ticket', 'GET /ws']) t.match(await ask(line), /^HTTP\/1.1 4/, line)
})

async function build (t: Test, options: object) {
  const app = Fastify(options)
  t.teardown(() => app.close())
  await app.register(websocket, websocketOptions())
  await app.register(wsGuard)
  await app.register(fastifyJwt, { secret: 'a secret for tests that is long enough' })
  await app.register(wsTickets)
  app.post('/login', async request => request.body)
  app.get('/hello', async () => 'hello')
  app.get('/ws', { websocket: true, preValidation: app.wsGuard() }, (socket, request) => {
    socket.send(JSON.stringify({ hello: request.wsIdentity?.subject }))
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  const authorization = `Bearer ${app.jwt.sign({ sub: 'alice' }, { expiresIn: 60 })}`
  const ask = async (line: string, body = ''): Promise<string> => {
    const socket = net.connect(port, '127.0.0.1')
    socket.write(`${line} HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\n${H2C.replace('Connection: ', 'Connection: close, ')}` +
      `${body === '' ? '' : 'Content-Type: application/json\r\n'}Content-Length: ${body.length}\r\n\r\n${body}`)
    return await text(socket)
  }
  return { app, port, ask }
}
