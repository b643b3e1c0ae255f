// Takes long: it starts the whole demo for each case.
import { once } from 'node:events'
import net from 'node:net'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { buildApp } from '../src/app.js'
import { loadConfig } from '../src/config.js'
import { enter, getTicket, http, listen, login, PAGE, portOf, SECRET } from './helpers.js'

const fixture = (name: string): string => new URL(`fixtures/${name}.pem`, import.meta.url).pathname

for (const [name, environment] of [['http', {}], ['https', { TLS_CERT: fixture('cert'), TLS_KEY: fixture('key') }]] as const) {
  t.test(`the server has time limits: ${name}`, async t => {
    const app = await buildApp(loadConfig({ JWT_SECRET: SECRET, LOG_LEVEL: 'silent', ...environment }), { page: PAGE })
    t.teardown(() => app.close())
    const { requestTimeout, headersTimeout, timeout, keepAliveTimeout, maxConnections } = app.server
    t.same({ requestTimeout, headersTimeout, timeout, keepAliveTimeout, maxConnections }, {
      requestTimeout: 30_000, headersTimeout: 15_000, timeout: 60_000, keepAliveTimeout: 72_000, maxConnections: 65_000
    })
  })
}

/** A TCP client that sends bytes, and then one byte again and again. */
function drip (t: Test, port: number, first: string, then: string) {
  const socket = net.connect(port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  socket.on('error', () => {})
  let text = ''
  socket.on('data', chunk => { text += String(chunk) })
  socket.write(first)
  const timer = setInterval(() => { if (socket.writable) socket.write(then) }, 20)
  t.teardown(() => clearInterval(timer))
  return new Promise<string>(resolve => { socket.on('close', () => resolve(text)) })
}

t.test('a login that comes a byte at a time is ended, and a user logs in meanwhile', async t => {
  const app = await buildApp(loadConfig({ JWT_SECRET: SECRET, LOG_LEVEL: 'silent' }), { page: PAGE, limits: { requestTimeout: 300, connectionsCheckingInterval: 20 } })
  t.teardown(() => app.close())
  await app.listen({ host: '127.0.0.1', port: 0 })
  const port = portOf(app)
  const slow = [
    drip(t, port, 'POST /login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n', ' '),
    drip(t, port, 'POST /login HTTP/1.1\r\nHost: a\r\n', 'a')
  ]
  // A machine that stands still may have a user cut as well, who comes again.
  const served = async (): Promise<void> => { while (await login(`http://127.0.0.1:${port}`, 'alice').catch(() => undefined) === undefined); }
  await served()
  for (const text of await Promise.all(slow)) t.match(text, /^HTTP\/1\.1 408 /)
  await served()
})

t.test('a node that is full refuses upgrades and spends no ticket', async t => {
  const { app, origin } = await listen(t, { MAX_CONNECTIONS: '1' })
  const token = await login(origin, 'alice')
  const first = await enter(t, origin, token)
  first.send({ type: 'auth', token })
  while (app.wsHub.count() === 0) await new Promise(resolve => setTimeout(resolve, 5))
  const ticket = await getTicket(origin, token)
  const refused = new WebSocket(`${origin.replace('http', 'ws')}/ws/demo`, ['airlock.v1', `ticket.${ticket}`], { origin })
  refused.on('error', () => {})
  const [, response] = await once(refused, 'unexpected-response')
  t.equal(response.statusCode, 503)
  t.equal(response.headers['retry-after'], '5')
  t.match(await app.wsTickets.redeem(ticket), { subject: 'alice' })
  const { body } = await http('GET', `${origin}/healthz`)
  t.match(body, { connections: 1 })
})

for (const [trust, dropped] of [['false', 3], ['127.0.0.1', 0]] as const) {
  t.test(`TCP connections of one address are bounded, unless they come by a proxy: ${trust}`, async t => {
    const { app } = await listen(t, { MAX_CONNECTIONS_PER_ADDRESS: '2', TRUST_PROXY: trust })
    const sockets = Array.from({ length: 5 }, () => net.connect(portOf(app), '127.0.0.1'))
    for (const socket of sockets) {
      t.teardown(() => socket.destroy())
      socket.on('error', () => {})
    }
    const open = () => new Promise<number>(resolve => app.server.getConnections((_error, count) => resolve(count)))
    while (await open() !== 5 - dropped || app.wsGuard.dropped !== dropped) await new Promise(resolve => setTimeout(resolve, 5))
    t.pass(String(dropped))
  })
}

t.test('with a rate of upgrades, arrivals wait for their turn', async t => {
  const { app, origin } = await listen(t, { CONNECT_RATE: '20' })
  const token = await login(origin, 'alice')
  const clients = await Promise.all(Array.from({ length: 30 }, () => enter(t, origin, token)))
  t.equal(clients.length, 30)
  t.equal(app.wsGuard.waiting, 0)
})
