// Runs alone: it moves the clock of its process.
// Client and server of the version before know nothing of signs of life, rates and paces, and notice nothing of them.
// Theirs is played byte by byte here, as docs/PROTOCOL.md had it.
import { standingClock, until } from '@fastify-airlock/testing'
import { once } from 'node:events'
import { connect, type Status } from '@fastify-airlock/client'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import { serve } from './peers.js'

const EXPIRES_S = 86_400

t.test('a client of the version before is served as before', async t => {
  const clock = standingClock(t, { date: false })
  const { app, port } = await serve(t, {
    clock,
    handshake: { alive: 1_000 },
    hub: { messageRate: { burst: 5, perSecond: 5 } },
    heartbeat: { interval: 5_000, timeout: 2_000 },
    handler: socket => { socket.on('message', data => { socket.send(`echo ${String(data)}`) }) }
  })
  const { ticket } = await app.wsTickets.issue('alice')
  const client = new WebSocket(`ws://127.0.0.1:${port}/ws`, ['airlock.v1', `ticket.${ticket}`])
  t.teardown(() => { client.terminate() })
  const got: string[] = []
  client.on('message', data => { got.push(String(data)) })
  await once(client, 'open')
  const token = (): string => app.jwt.sign({ sub: 'alice' }, { expiresIn: EXPIRES_S })
  client.send(JSON.stringify({ type: 'auth', token: token() }))
  await until(() => got.length === 1)
  t.same(Object.keys(JSON.parse(got[0] as string)), ['type', 'user', 'expiresAt'])

  // Silence for many intervals. Pings of the heartbeat are all that comes.
  const end = clock.now + 60_000
  await clock.until(() => clock.now >= end, 100)
  t.equal(client.readyState, client.OPEN)
  t.equal(got.length, 1, 'no sign of life')

  client.send('hello')
  client.send(JSON.stringify({ type: 'refresh', token: token() }))
  await until(() => got.length === 3)
  t.equal(got.find(text => text.startsWith('echo')), 'echo hello')
  t.same(Object.keys(JSON.parse(got.find(text => text.includes('refresh_ok')) as string)), ['type', 'expiresAt'])

  // It does not know the rate, and is told in the end, as before.
  const closed = once(client, 'close')
  for (let n = 0; n < 20; n++) client.send('more')
  t.equal((await closed)[0], 4429)
})

t.test('a client of the version before is told a logout by the code that it knows', async t => {
  const { app, port } = await serve(t, { handler: () => {}, handshake: { alive: 1_000 } })
  const { ticket } = await app.wsTickets.issue('alice')
  const client = new WebSocket(`ws://127.0.0.1:${port}/ws`, ['airlock.v1', `ticket.${ticket}`])
  t.teardown(() => { client.terminate() })
  await once(client, 'open')
  client.send(JSON.stringify({ type: 'auth', token: app.jwt.sign({ sub: 'alice' }, { expiresIn: EXPIRES_S }) }))
  await once(client, 'message')
  const closed = once(client, 'close')
  app.wsHub.disconnect('alice')
  t.equal((await closed)[0], 4403)
})

t.test('a server of the version before is used as before', async t => {
  const clock = standingClock(t, { date: false })
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', handleProtocols: offered => offered.has('airlock.v1') ? 'airlock.v1' : false })
  t.teardown(() => {
    for (const client of server.clients) client.terminate()
    server.close()
  })
  await once(server, 'listening')
  const received: string[] = []
  server.on('connection', socket => {
    socket.on('message', data => {
      const text = String(data)
      received.push(text)
      const { type, token } = text.startsWith('{') ? JSON.parse(text) : {} as { type?: string, token?: string }
      // It reads these two members, and ignores the others.
      if (type === 'auth' && typeof token === 'string') socket.send(JSON.stringify({ type: 'auth_ok', user: { id: 'alice' }, expiresAt: Date.now() + EXPIRES_S * 1_000 }))
      if (type === 'refresh' && typeof token === 'string') socket.send(JSON.stringify({ type: 'refresh_ok', expiresAt: Date.now() + EXPIRES_S * 1_000 }))
    })
  })
  const connection = connect({
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/ws`,
    WebSocket: WebSocket as never,
    getTicket: () => 'A'.repeat(43),
    getToken: () => 'a.b.c'
  })
  t.teardown(() => { connection.close() })
  const statuses: Status[] = []
  connection.on('status', status => { statuses.push(status) })
  let uncertain = 0
  connection.on('uncertain', () => { uncertain++ })
  await until(() => connection.status === 'open')
  t.match(JSON.parse(received[0] as string), { type: 'auth', token: 'a.b.c' })

  // Nothing comes for an hour: without a promise of signs of life, silence means nothing.
  const end = clock.now + 3_600_000
  await clock.until(() => clock.now >= end, 10_000)
  t.equal(connection.status, 'open')
  t.same(statuses.filter(status => status !== 'open' && status !== 'ticket' && status !== 'connecting' && status !== 'authenticating'), [])

  // And without a rate there is no pace.
  for (let n = 0; n < 100; n++) t.ok(connection.send(`message ${n}`))
  await until(() => received.filter(text => text.includes('message ')).length === 100)
  t.equal(uncertain, 0)
})
