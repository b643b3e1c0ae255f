import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import net from 'node:net'
import t, { type Test } from 'tap'
import { Client, getTicket, login, pass } from './helpers.js'
import { listening } from './process.js'

/** A peer that speaks HTTP by hand. */
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

t.test('SIGTERM drains, whoever does not listen', async t => {
  const { server, output, ended, origin } = await listening(t)
  const token = await login(origin, 'alice')
  const spare = await getTicket(origin, token)
  const client = await pass(t, origin, token)
  const mute = raw(t, origin, ...upgrade(await getTicket(origin, token)))
  t.match((await once(mute, 'data'))[0], /^HTTP\/1.1 101/)
  const halfway = raw(t, origin, 'GET / HTTP/1.1', 'Host:')
  await once(halfway, 'connect')

  const start = performance.now()
  server.kill('SIGTERM')
  t.match(await client.closed, { code: 1012 })
  // The mute one keeps the server waiting, so that it can be asked once more.
  const late = raw(t, origin, ...upgrade(spare))
  t.match((await once(late, 'data'))[0], /^HTTP\/1.1 503/)

  t.equal(await ended, 0)
  t.ok(performance.now() - start < 10_000)
  t.match(output.text, /"signal":"SIGTERM","msg":"closing"/)
})

t.test('an error that nobody caught closes the server in order', async t => {
  const args = ['--import', 'data:text/javascript,process.on("message",()=>{throw new Error("unforeseen")})']
  const { server, output, ended, origin } = await listening(t, {}, { args })
  const client = new Client(t, origin, '/ws/bearer', [], { headers: { authorization: `Bearer ${await login(origin, 'alice')}` } })
  await client.upgraded
  server.send('now')
  t.match(await client.closed, { code: 1012 })
  t.equal(await ended, 1)
  t.match(output.text, /unforeseen.*unexpected error, closing/)
})
