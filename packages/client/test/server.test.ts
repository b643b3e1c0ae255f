import { once } from 'node:events'
import { JSDOM } from 'jsdom'
import { createServer } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import t from 'tap'
import { WebSocket as Ws, WebSocketServer } from 'ws'
import { connect } from '../src/index.js'
import { jwt, until, watch } from './helpers.js'
import { dial, implementations, serve } from './server.js'

for (const [name, implementation] of Object.entries(implementations)) {
  t.test(`with the WebSocket of ${name}`, async t => {
    const server = await serve(t)
    const WebSocket = implementation(`http://127.0.0.1:${server.port}`)

    t.test('sends messages through both doors, early ones first', async t => {
      const { connection, seen } = dial(t, server, { WebSocket })
      connection.send('early')
      connection.send({ n: 1 })
      const messages = connection[Symbol.asyncIterator]()
      await connection.ready()
      t.equal(connection.send({ n: 2 }), true)
      connection.send(new Uint8Array([1, 2, 3]))
      const got: unknown[] = []
      for (let n = 0; n < 4; n++) got.push((await messages.next()).value)
      t.same(got.slice(0, 3), ['early', { n: 1 }, { n: 2 }])
      t.same(new Uint8Array(got[3] as ArrayBuffer), new Uint8Array([1, 2, 3]))
      t.match(connection, { protocol: 'airlock.v1', user: { id: 'alice' } })
      t.ok(Math.abs(Number(connection.expiresAt) - Date.now() - 60_000) < 10_000)
      const [opened] = seen.flatMap(([name, event]) => name === 'open' ? [event] : [])
      for (const part of ['ticket', 'upgrade', 'auth'] as const) t.ok(Number(opened?.timings[part]) > 0, part)
      connection.close(4_000, 'done')
      t.same(await connection.closed, { code: 4_000, reason: 'done', willReconnect: false })
    })

    t.test('retries a refused upgrade once at once, then waits, each time with a new ticket', async t => {
      const { connection, seen, spent, base } = dial(t, server, { WebSocket, url: `http://127.0.0.1:${server.port}/elsewhere` })
      while ((await until(connection, 'waiting')).attempt < 4);
      connection.close()
      t.same(seen.flatMap(([name, event]) => name === 'waiting' ? [event.delay] : []), [0, 10, 20, 40], base)
      t.match(seen.flatMap(([name, event]) => name === 'error' ? [event] : []), Array(4).fill({ code: 'WSA_CLIENT_ERR_UNREACHABLE', closeCode: 1006, final: false }))
      t.equal(new Set(spent).size, 4)
    })

    t.test('ends on the JWT of another user', async t => {
      const { connection, sign } = dial(t, server, { WebSocket, getToken: () => sign('bob') })
      t.same(await connection.closed, { code: 4403, reason: 'subject mismatch', willReconnect: false })
      t.match(connection.error, { code: 'WSA_CLIENT_ERR_FORBIDDEN', closeCode: 4403, final: true })
    })

    t.test('can be closed while connecting', async t => {
      const { connection } = dial(t, server, { WebSocket })
      while (await until(connection, 'status') !== 'connecting');
      connection.close()
      t.same(await connection.closed, { code: 1000, reason: '', willReconnect: false })
      await new Promise(resolve => { setTimeout(resolve, 50) })
      t.equal(server.app.wsHub.count(), 0)
    })

    t.test('backs off when there is no server', async t => {
      const { connection } = dial(t, server, { WebSocket, url: 'ws://127.0.0.1:1/', getTicket: undefined })
      t.match(await until(connection, 'waiting'), { delay: 10, error: { code: 'WSA_CLIENT_ERR_UNREACHABLE' } })
    })
  })
}

t.test('passes with the other carriers', async t => {
  const server = await serve(t)
  const { connection } = dial(t, server, { carrier: 'query' })
  await connection.ready()
  t.match(connection, { protocol: 'airlock.v1', user: { id: 'alice' } })

  const { window } = new JSDOM('', { url: `http://127.0.0.1:${server.port}/ws/page` })
  t.intercept(globalThis, 'document', { value: window.document })
  const { connection: cookie } = dial(t, server, { carrier: 'cookie', WebSocket: window.WebSocket })
  await cookie.ready()
  t.match(cookie, { protocol: 'airlock.v1', user: { id: 'alice' } })
  t.equal(window.document.cookie, '')

  const bare = dial(t, server, { getToken: undefined, url: `http://127.0.0.1:${server.port}/cookie` })
  t.equal(await until(bare.connection, 'message'), 'no second door')
  t.equal(bare.connection.user, null)
})

t.test('a ticket opens only one socket', async t => {
  const server = await serve(t)
  const { spent, connection } = dial(t, server)
  await connection.ready()
  const thief = dial(t, server, { getTicket: () => String(spent[0]) })
  t.match(await until(thief.connection, 'error'), { code: 'WSA_CLIENT_ERR_UNREACHABLE', closeCode: 1006 })
})

t.test('renews JWTs that live for three seconds', async t => {
  const server = await serve(t)
  const { connection, seen } = dial(t, server, {}, 3)
  await until(connection, 'refreshed')
  await until(connection, 'refreshed')
  t.equal(connection.status, 'open')
  t.equal(seen.filter(([name]) => name === 'close' || name === 'error').length, 0)
  await connection.refresh()
})

t.test('without a new JWT, the server ends the connection and 4401 is final', async t => {
  const server = await serve(t, { handshake: { expiryGrace: 0 } })
  const token = server.app.jwt.sign({ sub: 'alice' }, { expiresIn: 1 })
  const { connection } = dial(t, server, { getToken: () => token })
  await connection.closed
  t.match(connection.error, { code: 'WSA_CLIENT_ERR_UNAUTHENTICATED', final: true })
})

t.test('ends when the server logs the user out', async t => {
  const server = await serve(t)
  const { connection } = dial(t, server)
  await connection.ready()
  server.app.wsHub.disconnect('alice')
  t.same(await connection.closed, { code: 4410, reason: 'disconnected', willReconnect: false })
  t.match(connection.error, { code: 'WSA_CLIENT_ERR_LOGGED_OUT', closeCode: 4410, final: true })
})

t.test('ends in the same way at a server that does not know the code of a logout', async t => {
  const server = createServer()
  const doors = new WebSocketServer({ server, handleProtocols: () => 'airlock.v1' })
  t.teardown(() => { doors.close(); server.close() })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  doors.on('connection', socket => socket.once('message', data => {
    // As the version before read it, and answered.
    const { type, token } = JSON.parse(String(data))
    socket.send(JSON.stringify({ type: 'auth_ok', user: { id: `${type} ${token}` }, expiresAt: Date.now() + 60_000 }))
    socket.close(4403, 'disconnected')
  }))
  const { port } = server.address() as AddressInfo
  const connection = connect({ url: `ws://127.0.0.1:${port}/`, getToken: () => jwt('alice'), WebSocket: Ws as never })
  t.same(await connection.closed, { code: 4403, reason: 'disconnected', willReconnect: false })
  t.match(connection.error, { code: 'WSA_CLIENT_ERR_FORBIDDEN', final: true })
  t.equal(connection.user?.id, `auth ${jwt('alice')}`)
})

t.test('a code that the server was given for a disconnection wins, and the application says whether it is final', async t => {
  const server = await serve(t)
  for (const [code, finalCodes, reason] of [[4403, [], 'FORBIDDEN'], [4001, [4001, 4002], 'REFUSED'], [4001, [4002], 'UNREACHABLE']] as const) {
    const { connection } = dial(t, server, { finalCodes: [...finalCodes] })
    await connection.ready()
    const closed = until(connection, 'close')
    const failed = until(connection, 'error')
    server.app.wsHub.disconnect('alice', { code })
    const final = reason !== 'UNREACHABLE'
    t.match(await failed, { code: `WSA_CLIENT_ERR_${reason}`, closeCode: code, final })
    t.match(await closed, { code, willReconnect: !final })
    connection.close()
  }
})

t.test('ends when the ticket request is refused after a logout', async t => {
  const server = await serve(t)
  let signedIn = true
  const client = dial(t, server)
  await client.connection.ready()
  const { connection } = dial(t, server, {
    getTicket: ({ signal }) => fetch(`${client.base}/ws/ticket`, {
      method: 'POST', signal, headers: signedIn ? { authorization: `Bearer ${client.sign()}` } : {}
    })
  })
  await connection.ready()
  signedIn = false
  for (const socket of server.app.websocketServer.clients) socket.terminate()
  t.same(await connection.closed, { code: 1006, reason: '', willReconnect: false })
  t.match(connection.error, { code: 'WSA_CLIENT_ERR_UNAUTHENTICATED', status: 401, final: true })
})

t.test('reconnects after a restart, when the server says', async t => {
  const server = await serve(t, { jitter: 300 })
  const { connection, seen } = dial(t, server)
  await connection.ready()
  const lost = until(connection, 'close')
  const wait = until(connection, 'waiting')
  await server.app.close()
  const { code, reason, willReconnect } = await lost
  t.same([code, willReconnect], [1012, true])
  t.equal((await wait).delay, (JSON.parse(reason) as { retryAfter: number }).retryAfter || 10)
  connection.send('meanwhile')
  const echo = until(connection, 'message')
  await serve(t, { port: server.port })
  t.equal(await echo, 'meanwhile')
  t.equal(seen.filter(([name]) => name === 'open').length, 2)
})

t.test('reconnects with a new ticket after the server cut the connection', async t => {
  const server = await serve(t)
  const { connection, spent } = dial(t, server)
  await connection.ready()
  const lost = until(connection, 'close')
  for (const socket of server.app.websocketServer.clients) socket.terminate()
  t.same(await lost, { code: 1006, reason: '', willReconnect: true })
  await until(connection, 'open')
  t.equal(new Set(spent).size, 2)
})

t.test('backs off while the ticket store is down', async t => {
  const server = await serve(t, {
    tickets: {
      store: {
        put () { throw new Error('down') }, take: () => null, revoke: () => 0, close () {}
      }
    }
  })
  const { connection } = dial(t, server)
  const { error, delay } = await until(connection, 'waiting')
  t.match(error, { code: 'WSA_CLIENT_ERR_UNREACHABLE', status: 503 })
  t.ok(Number(delay) >= 1_000, `Retry-After: ${String(delay)}`)
})

t.test('obeys the rate limit of the ticket route', async t => {
  const server = await serve(t, { limited: true, tickets: { route: { rateLimit: { max: 1, timeWindow: 60_000 } } } })
  const { connection } = dial(t, server)
  await connection.ready()
  for (const socket of server.app.websocketServer.clients) socket.terminate()
  let last = await until(connection, 'waiting')
  if (last.error?.status === undefined) last = await until(connection, 'waiting')
  t.match(last.error, { code: 'WSA_CLIENT_ERR_UNREACHABLE', status: 429 })
  t.ok(Number(last.delay) > 50_000, `Retry-After: ${String(last.delay)}`)
})

t.test('times out when the server never answers', async t => {
  const sockets: Socket[] = []
  const server = createServer()
  server.on('connection', socket => { sockets.push(socket) })
  server.on('upgrade', () => {})
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  for (const [name, implementation] of Object.entries(implementations)) {
    const connection = connect({
      url: `ws://127.0.0.1:${port}`, WebSocket: implementation(`http://127.0.0.1:${port}`), timeout: 100, getToken: () => jwt('alice')
    })
    t.match(await until(connection, 'waiting'), { error: { code: 'WSA_CLIENT_ERR_TIMEOUT' } }, name)
    connection.close()
  }
})

t.test('backs off from a server that closes each connection, and ends when one selects a carrier', async t => {
  const wss = new WebSocketServer({ port: 0, host: '127.0.0.1', handleProtocols: offered => [...offered].at(-1) ?? false })
  let opened = 0
  wss.on('connection', socket => {
    opened++
    socket.close(1001)
  })
  t.teardown(() => { wss.close() })
  await once(wss, 'listening')
  const { port } = wss.address() as AddressInfo
  const busy = connect({ url: `ws://127.0.0.1:${port}`, WebSocket: Ws, random: () => 0.5, reconnect: { min: 100 } })
  t.teardown(() => { busy.close() })
  const seen = watch(busy)
  for (;;) if (Number((await until(busy, 'waiting')).delay) >= 200) break
  t.same(seen.flatMap(([name, event]) => name === 'waiting' ? [event.delay] : []), [50, 100, 200])
  t.equal(opened, 3)
  busy.close()

  for (const [name, implementation] of Object.entries(implementations)) {
    const connection = connect({
      url: `ws://127.0.0.1:${port}`, WebSocket: implementation(`http://127.0.0.1:${port}`), getTicket: () => 'abc', getToken: () => jwt('alice')
    })
    await connection.closed
    t.match(connection.error, { code: 'WSA_CLIENT_ERR_PROTOCOL', final: true }, name)
  }
})
