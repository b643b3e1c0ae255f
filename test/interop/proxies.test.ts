// Runs alone: it starts proxies, and looks at several of them at once.
import fastifyCookie from '@fastify/cookie'
import fastifyJwt from '@fastify/jwt'
import websocket from '@fastify/websocket'
import { websocketOptions } from '@fastify-airlock/core'
import wsGuard from '@fastify-airlock/guard'
import wsHandshake from '@fastify-airlock/handshake'
import wsTickets from '@fastify-airlock/ticket'
import Fastify from 'fastify'
import { once } from 'node:events'
import { connect as connectHttp2 } from 'node:http2'
import { request } from 'node:https'
import type { AddressInfo } from 'node:net'
import { connect as connectTls } from 'node:tls'
import t, { type Test } from 'tap'
import type { WebSocket } from 'ws'
import { connect } from '../client.js'
import { CERTIFICATE, type ProxyName, startProxy } from '../cluster/proxy.js'

t.jobs = 4
t.setTimeout(240_000)

/** Seconds after which the proxies cut a connection that is silent. */
const IDLE = 10

/** Which of them end a silent WebSocket, and which offer HTTP/2. */
const PROXIES: Record<ProxyName, { endsSilent: boolean, http2: boolean }> = {
  nginx: { endsSilent: true, http2: false },
  haproxy: { endsSilent: true, http2: false },
  caddy: { endsSilent: false, http2: true },
  apache: { endsSilent: true, http2: true }
}

async function startNode (t: Test) {
  const app = Fastify({ trustProxy: '127.0.0.1', forceCloseConnections: true })
  t.teardown(() => app.close())
  await app.register(websocket, websocketOptions())
  await app.register(wsGuard)
  await app.register(fastifyCookie)
  await app.register(fastifyJwt, { secret: 'a secret for tests that is long enough' })
  await app.register(wsTickets)
  await app.register(wsHandshake)
  /** What the node knows of the client. */
  const seen: object[] = []
  const sockets = new Set<WebSocket>()
  app.addHook('onRequest', async ({ url, ip, protocol, host, headers }) => { if (!url.startsWith('/healthz')) seen.push({ ip, protocol, host, forwarded: headers.forwarded }) })
  app.get('/healthz', async () => 'ok')
  app.get('/metrics', async () => 'secret')
  app.post('/body', { bodyLimit: 1024 * 1024 }, async () => 'read')
  app.get('/ws', { websocket: true, preValidation: app.wsGuard() }, app.wsHandshake(socket => {
    sockets.add(socket)
    socket.on('message', data => socket.send(data))
  }))
  await app.listen({ port: 0, host: '127.0.0.1' })
  return {
    app,
    seen,
    sockets,
    host: `127.0.0.1:${(app.server.address() as AddressInfo).port}`,
    token: app.jwt.sign({ sub: 'alice' }, { expiresIn: 600 })
  }
}

interface Answer {
  status: number
  text: string
}

async function look (t: Test, name: ProxyName): Promise<void> {
  const { endsSilent, http2 } = PROXIES[name]
  const { app, seen, sockets, host, token } = await startNode(t)
  const proxy = await startProxy(name, [host, host, host], { idle: IDLE })
  // Not everybody has all four: the reason is printed.
  if ('skip' in proxy) {
    t.pass('the proxy', { skip: proxy.skip })
    return
  }
  t.teardown(() => proxy.stop())
  const { origin } = proxy
  const edge = new URL(origin).host
  /** Every ticket that the proxy has seen. */
  const tickets: string[] = []

  const ask = async (path: string, { method = 'GET', headers = {}, body }: { method?: string, headers?: Record<string, string>, body?: Buffer } = {}): Promise<Answer> => await new Promise((resolve, reject) => {
    const asked = request(origin + path, { method, headers, ca: CERTIFICATE, agent: false }, response => {
      let text = ''
      response.on('data', chunk => { text += chunk }).on('end', () => resolve({ status: response.statusCode as number, text }))
    })
    asked.on('error', reject).end(body)
  })
  const getTicket = async (): Promise<string> => {
    const { text } = await ask('/ws/ticket', { method: 'POST', headers: { authorization: `Bearer ${token}` } })
    const { ticket } = JSON.parse(text) as { ticket: string }
    tickets.push(ticket)
    return ticket
  }
  const upgrade = async (path = '/ws', protocols: string[] = [], headers: Record<string, string> = {}, from = origin) =>
    await connect(t, origin.replace('http', 'ws') + path, ['airlock.v1', ...protocols], { ca: CERTIFICATE, origin: from, headers })
  const enter = async (...args: Parameters<typeof upgrade>) => {
    const before = new Set(sockets)
    const client = await upgrade(...args)
    client.send({ type: 'auth', token })
    t.match(await client.next(), { type: 'auth_ok' })
    return { client, socket: [...sockets].find(socket => !before.has(socket)) as WebSocket }
  }

  // A proxy that asks the nodes whether they live has to have asked.
  for (let tries = 0; (await ask('/healthz')).status !== 200; tries++) {
    if (tries === 600) throw new Error(`${name} reaches no node: ${await proxy.accessLog()}`)
    await new Promise(resolve => setTimeout(resolve, 100))
  }

  // Both doors, on each carrier.
  const { client: bySubprotocol, socket } = await enter('/ws', [`ticket.${await getTicket()}`])
  const { client: byCookie, socket: ofCookie } = await enter('/ws', [], { cookie: `ticket=${await getTicket()}` })
  await enter(`/ws?ticket=${await getTicket()}`)

  // Nothing is held back, small or large, in either direction.
  for (const text of ['a', 'b', 'x'.repeat(60_000)]) {
    bySubprotocol.send({ text })
    t.strictSame(await bySubprotocol.next(), { text }, `a message of ${text.length}`)
  }
  const pong = once(socket, 'pong')
  socket.ping()
  await pong
  t.pass('a ping and its answer')

  // The client's address, scheme and host are those that the proxy has seen.
  seen.length = 0
  const invented = { 'x-forwarded-for': '203.0.113.7', 'x-forwarded-proto': 'http', 'x-forwarded-host': 'evil.example', forwarded: 'for=203.0.113.7' }
  const { client: lying } = await enter('/ws', [`ticket.${await getTicket()}`], invented)
  lying.socket.terminate()
  t.same(seen.at(-1), { ip: '127.0.0.1', protocol: 'https', host: edge, forwarded: undefined }, 'what a client invents does not get through')
  await t.rejects(upgrade('/ws', [`ticket.${await getTicket()}`], {}, 'https://evil.example'), { message: /^HTTP 403 WSA_GUARD_ERR_ORIGIN/ }, 'nor does a page of another host')

  // What the node says arrives as it is.
  await t.rejects(upgrade('/ws', ['ticket.invented']), { message: 'HTTP 401 WSA_GUARD_ERR_INVALID_CREDENTIAL' })
  ofCookie.close(4403, 'logged out')
  t.equal(await byCookie.closed, '4403 logged out', 'a close code and its reason')

  // Limits.
  t.equal((await ask('/metrics')).status, 404, 'metrics are for internal use')
  t.equal((await ask('/%6detrics')).status, 404, 'however they are asked for')
  t.equal((await ask('/body', { method: 'POST', headers: { 'content-type': 'text/plain' }, body: Buffer.alloc(60 * 1024) })).status, 200)
  const { status: tooLarge } = await ask('/body', { method: 'POST', headers: { 'content-type': 'text/plain' }, body: Buffer.alloc(200 * 1024) }).catch(() => ({ status: 413 }))
  // HAProxy and Apache have no limit, and Caddy 2.6 takes its own for a failure of the node.
  t.equal(tooLarge, { haproxy: 200, apache: 200, caddy: 502 }[name as string] ?? 413, 'a body that is too large')
  const { status: longHead } = await ask('/healthz', { headers: { long: 'x'.repeat(40_000) } }).catch(() => ({ status: 431 }))
  t.ok([400, 413, 414, 431].includes(longHead), `a head that is too large: ${longHead}`)
  t.equal((await ask('/ws/ticket', { method: 'POST', headers: { authorization: `Bearer ${token}`, long: 'x'.repeat(6_000) } })).status, 201, 'a head that is not')

  // HTTP/2 at the edge: for requests only, whatever the proxy offers.
  const tls = connectTls({ host: '127.0.0.1', port: Number(new URL(origin).port), ca: CERTIFICATE, ALPNProtocols: ['h2', 'http/1.1'] })
  await once(tls, 'secureConnect')
  t.equal(tls.alpnProtocol, http2 ? 'h2' : 'http/1.1')
  tls.destroy()
  if (http2) {
    const session = connectHttp2(origin, { ca: CERTIFICATE })
    t.teardown(() => session.destroy())
    const stream = session.request({ ':method': 'POST', ':path': '/ws/ticket', authorization: `Bearer ${token}` })
    const [{ ':status': status }] = await once(stream.end(), 'response') as [{ ':status': number }]
    t.equal(status, 201)
    let text = ''
    for await (const chunk of stream) text += String(chunk)
    const { ticket } = JSON.parse(text) as { ticket: string }
    tickets.push(ticket)
    const { client } = await enter('/ws', [`ticket.${ticket}`])
    client.socket.terminate()
    t.notOk(session.remoteSettings.enableConnectProtocol, 'browsers open WebSockets by HTTP/1.1')
  }

  // Who is silent is cut off after the time that is set, and who is pinged is not.
  const { client: pinged, socket: pinging } = await enter('/ws', [`ticket.${await getTicket()}`])
  const timer = setInterval(() => pinging.ping(), 250)
  t.teardown(() => clearInterval(timer))
  const { client: silent } = await enter('/ws', [`ticket.${await getTicket()}`])
  if (endsSilent) t.match(await silent.closed, /^1006/, 'silent')
  else t.equal(silent.socket.readyState, silent.socket.OPEN)
  t.equal(pinged.socket.readyState, pinged.socket.OPEN, 'pinged')
  clearInterval(timer)

  // Nobody answers: the log of errors has the request as well.
  await app.close()
  const lost = [await pinged.closed]
  t.match(lost, [/^100[16]|^1012/])
  const kept = tickets.at(-1) as string
  await t.rejects(upgrade(`/ws?ticket=${kept}`, [], { cookie: `ticket=${kept}` }), { message: /^HTTP 50[234]/ })
  await t.rejects(upgrade('/ws', [`ticket.${kept}`]), { message: /^HTTP 50[234]/ })
  const log = await proxy.accessLog()
  t.match(log, '/ws')
  t.match(log, '/ws/ticket')
  for (const ticket of tickets) t.notOk(log.includes(ticket), 'no ticket in any log')
  t.notOk(log.includes(token), 'no JWT')
  if (name === 'nginx') t.match(await proxy.errorLog(), `/ws?ticket=${kept}`, 'but its log of errors has the query, whatever log_format says')
}

for (const name of Object.keys(PROXIES) as ProxyName[]) t.test(name, { buffered: true }, async t => await look(t, name))
