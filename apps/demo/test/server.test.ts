import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import net, { type AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { Client, getTicket, http, login, pass } from './helpers.js'
import { listening, start, untilLogged } from './process.js'

/** A peer that sends raw HTTP. */
function raw (t: Test, origin: string, ...lines: string[]): net.Socket {
  const { port, hostname } = new URL(origin)
  const socket = net.connect(Number(port), hostname)
  t.teardown(() => socket.destroy())
  socket.on('error', () => {})
  socket.setEncoding('utf8')
  socket.write(lines.join('\r\n'))
  return socket
}

const upgrade = (ticket: string) => [
  `GET /ws/demo?ticket=${ticket} HTTP/1.1`, 'Host: localhost', 'Connection: Upgrade', 'Upgrade: websocket',
  'Sec-WebSocket-Version: 13', `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`, '', ''
]

t.test('starts without configuration, logs the demo users, and drains on SIGTERM even with clients that do not answer', async t => {
  const { server, output, ended, origin } = await listening(t)
  await untilLogged(server, output, /(demo users: alice\/wonderland \(user\), bob\/builder \(user\), admin\/admin \(admin\))/)
  t.equal(await untilLogged(server, output, /"msg":"open (\S+) in a browser"/), origin)
  const token = await login(origin, 'alice')
  const spare = await getTicket(origin, token)
  const client = await pass(t, origin, token)
  t.match(await client.next('tick'), { n: 1 })
  const mute = raw(t, origin, ...upgrade(await getTicket(origin, token)))
  t.match((await once(mute, 'data'))[0], /^HTTP\/1.1 101/)
  const halfway = raw(t, origin, 'GET / HTTP/1.1', 'Host:')
  await once(halfway, 'connect')

  const begin = performance.now()
  server.kill('SIGTERM')
  t.match(await client.closed, { code: 1012 })
  // The server still waits for the mute peer, so it can get one more request.
  const late = raw(t, origin, ...upgrade(spare))
  t.match((await once(late, 'data'))[0], /^HTTP\/1.1 503/)

  t.equal(await ended, 0)
  t.ok(performance.now() - begin < 25_000)
  t.match(output.text, /"signal":"SIGTERM","msg":"closing"/)
})

t.test('a Ctrl-C drains it, although npm passes on what the terminal has sent to both', async t => {
  const { server, output, ended, origin } = await listening(t)
  const token = await login(origin, 'alice')
  const client = await pass(t, origin, token)
  const halfway = raw(t, origin, 'POST /login?halfway HTTP/1.1', 'Host: localhost', 'Content-Type: application/json', 'Content-Length: 2', '', '{')
  await untilLogged(server, output, /(login\?halfway)/)
  server.kill('SIGINT')
  t.match(await client.closed, { code: 1012 })
  server.kill('SIGINT')
  halfway.write('}')
  t.equal(await ended, 0)
  t.match(output.text, /"signal":"SIGINT","msg":"closing"/)
})

t.test('starts stand-ins for other systems, logs their addresses, and stops them when it stops', async t => {
  const { server, output, ended, origin } = await listening(t, { UPSTREAM_TOKEN: 'a-key-that-nobody-sees' })
  const authority = await untilLogged(server, output, /the authority of external tokens is a stand-in at (http:[^"]+)/)
  const upstream = await untilLogged(server, output, /the upstream is a stand-in at (http:[^"]+)/)
  const token = await login(origin, 'alice')
  const client = await pass(t, origin, token, '/ws/upstream')
  client.send({ type: 'echo', data: 1 })
  t.match(await client.next('echo'), { data: 1 })
  t.equal((await http('GET', `${origin}/api/hello`, { token })).status, 200)
  t.equal((await http('GET', `${authority}/healthz`)).status, 200)

  server.kill('SIGTERM')
  t.match(await client.closed, { code: 1012 })
  t.equal(await ended, 0)
  for (const url of [authority, upstream]) await t.rejects(fetch(url))
  t.notMatch(output.text, /a-key-that-nobody-sees|demo-only-secret/)
})

t.test('an uncaught error closes the server gracefully', async t => {
  const args = ['--import', 'data:text/javascript,process.on("message",()=>{throw new Error("unforeseen")})']
  const { server, output, ended, origin } = await listening(t, {}, { args })
  const client = new Client(t, origin, '/ws/bearer', [], { headers: { authorization: `Bearer ${await login(origin, 'alice')}` } })
  await client.upgraded
  server.send('now')
  t.match(await client.closed, { code: 1012 })
  t.equal(await ended, 1)
  t.match(output.text, /unforeseen.*unexpected error, closing/)
})

t.test('an error at start is printed, and ends the process', async t => {
  const other = net.createServer().listen(0, '127.0.0.1')
  t.teardown(() => other.close())
  await once(other, 'listening')
  const folder = t.testdir({ taken: {}, misconfigured: { '.env': 'TLS_KEY=/somewhere\n' } })
  const taken = start(t, { PORT: String((other.address() as AddressInfo).port) }, { cwd: `${folder}/taken` })
  // The file is read from the working directory.
  const misconfigured = start(t, {}, { cwd: `${folder}/misconfigured` })

  t.equal(await misconfigured.ended, 1)
  t.equal(misconfigured.output.text, 'FastifyError [WSA_DEMO_ERR_CONFIG]: Invalid configuration: TLS_KEY is set, TLS_CERT is not\n')
  t.equal(await taken.ended, 1)
  t.match(taken.output.text, /EADDRINUSE/)
})
