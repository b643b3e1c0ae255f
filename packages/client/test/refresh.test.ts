import t from 'tap'
import type { TokenContext } from '../src/index.js'
import { clock, jwt, open, until } from './helpers.js'

/** A `getToken` that returns another JWT each time, and what it was told. */
function tokens () {
  const asked: TokenContext[] = []
  return {
    asked,
    getToken: (context: TokenContext): string => {
      asked.push(context)
      return jwt(`${asked.length}`)
    }
  }
}

/** Resolves with the next frame that is sent on a fake socket. */
function nextFrame (socket: { sent: unknown[], send: (data: unknown) => void }): Promise<any> {
  return new Promise(resolve => {
    socket.send = data => {
      socket.sent.push(data)
      resolve(JSON.parse(String(data)))
    }
  })
}

t.test('answers expiring with a new JWT', async t => {
  const { getToken, asked } = tokens()
  const { connection, socket, seen } = await open(t, { getToken })
  const sent = nextFrame(socket)
  socket.say({ type: 'expiring', expiresAt: 1_800_000_000_000 })
  t.same(await sent, { type: 'refresh', token: jwt('2') })
  t.match(asked[1], { reason: 'refresh', attempt: 0 })
  socket.say({ type: 'refresh_ok', expiresAt: 1_900_000_000_000 })
  t.equal(connection.expiresAt, 1_900_000_000_000)
  t.same(seen.slice(-2), [['expiring', { expiresAt: 1_800_000_000_000 }], ['refreshed', { expiresAt: 1_900_000_000_000 }]])
  t.equal(connection.status, 'open')
})

t.test('runs one refresh at a time', async t => {
  const { getToken, asked } = tokens()
  const { connection, socket } = await open(t, { getToken })
  const sent = nextFrame(socket)
  const both = [connection.refresh(), connection.refresh()]
  await sent
  socket.say({ type: 'expiring', expiresAt: 1 })
  await new Promise(resolve => { setImmediate(resolve) })
  t.equal(asked.length, 2)
  t.equal(socket.sent.length, 2)
  socket.say({ type: 'refresh_ok', expiresAt: 2 })
  await Promise.all(both)
  const again = nextFrame(socket)
  const third = connection.refresh()
  t.match(await again, { token: jwt('3') })
  socket.say({ type: 'refresh_ok', expiresAt: 3 })
  await third
})

t.test('getToken may call refresh()', async t => {
  let calls = 0
  const { connection, socket } = await open(t, {
    getToken: ({ reason }) => {
      calls++
      if (reason === 'refresh') connection.refresh().catch(() => {})
      return jwt('alice')
    }
  })
  const sent = nextFrame(socket)
  const refreshed = connection.refresh()
  await sent
  socket.say({ type: 'refresh_ok', expiresAt: 3 })
  await refreshed
  t.equal(calls, 2)
})

t.test('answers a server that keeps asking once a second', async t => {
  const { getToken } = tokens()
  const { socket } = await open(t, { getToken })
  let sent = nextFrame(socket)
  socket.say({ type: 'expiring', expiresAt: 1 })
  await sent
  const before = performance.now()
  sent = nextFrame(socket)
  socket.say({ type: 'refresh_ok', expiresAt: 1 }).say({ type: 'expiring', expiresAt: 1 }).say({ type: 'expiring', expiresAt: 1 })
  await sent
  t.ok(performance.now() - before > 900)
  t.equal(socket.sent.length, 3)
})

t.test('refresh() rejects when there is nothing to refresh', async t => {
  const { connection, socket } = await open(t, { getTicket: undefined })
  socket.end()
  await t.rejects(connection.refresh(), { code: 'WSA_CLIENT_ERR_CLOSED', final: false })
  connection.close()
  await t.rejects(connection.refresh(), { code: 'WSA_CLIENT_ERR_CLOSED', final: true })
  const without = await open(t, { getToken: undefined })
  await t.rejects(without.connection.refresh(), { code: 'WSA_CLIENT_ERR_UNAUTHENTICATED' })
  t.equal(without.connection.status, 'open')
})

t.test('without a JWT for the moment, the connection stays open and the client tries again', async t => {
  const answers: Array<() => string | null> = [
    () => jwt('1'),
    () => { throw new Error('down') },
    () => { throw Object.assign(new Error('busy'), { status: 503 }) },
    () => jwt('1'),
    () => jwt('2')
  ]
  const attempts: number[] = []
  const { connection, socket, seen } = await open(t, {
    getToken: ({ attempt }) => {
      attempts.push(attempt)
      return (answers.shift() as () => string)()
    }
  })
  const sent = nextFrame(socket)
  socket.say({ type: 'expiring', expiresAt: 1 })
  t.match(await sent, { token: jwt('2') })
  t.match(seen.filter(([name]) => name === 'error'), [
    ['error', { code: 'WSA_CLIENT_ERR_UNREACHABLE', final: false, cause: { message: 'down' } }],
    ['error', { code: 'WSA_CLIENT_ERR_UNREACHABLE', status: 503 }],
    ['error', { code: 'WSA_CLIENT_ERR_UNAUTHENTICATED', final: false }]
  ])
  t.same(attempts, [0, 0, 1, 2, 3])
  t.equal(connection.status, 'open')
})

t.test('when there will be no JWT, the server ends the connection', async t => {
  let calls = 0
  const { connection, socket, seen } = await open(t, { getToken: ({ reason }) => { calls++; return reason === 'connect' ? jwt('1') : null } })
  const failed = until(connection, 'error')
  socket.say({ type: 'expiring', expiresAt: 1 })
  t.match(await failed, { code: 'WSA_CLIENT_ERR_UNAUTHENTICATED', final: false })
  t.equal(connection.status, 'open')
  await new Promise(resolve => { setTimeout(resolve, 20) })
  t.equal(calls, 2, 'getToken is not called again')
  socket.say({ type: 'auth_error', code: 4401, reason: 'token expired', retry: true })
  await connection.closed
  t.match(seen.at(-2), ['error', { code: 'WSA_CLIENT_ERR_UNAUTHENTICATED', final: true }])
})

t.test('does not retry a refresh that the application started', async t => {
  let calls = 0
  const { connection } = await open(t, { getToken: () => { if (calls++ > 0) throw new Error('down'); return jwt('1') } })
  await t.rejects(connection.refresh(), { code: 'WSA_CLIENT_ERR_UNREACHABLE' })
  await new Promise(resolve => { setTimeout(resolve, 20) })
  t.equal(calls, 2)
})

t.test('does not send a JWT that is too long', async t => {
  let calls = 0
  const { connection, socket } = await open(t, { getToken: () => calls++ > 0 ? 'x'.repeat(9_000) : jwt('1') })
  await t.rejects(connection.refresh(), { code: 'WSA_CLIENT_ERR_OPTIONS' })
  t.equal(socket.sent.length, 1)
})

t.test('drops the socket when the server does not answer in time', async t => {
  const { getToken } = tokens()
  const { connection, socket, sockets } = await open(t, { getToken, timeout: 200 })
  const lost = until(connection, 'close')
  await t.rejects(connection.refresh(), { code: 'WSA_CLIENT_ERR_TIMEOUT' })
  t.same(await lost, { code: 1006, reason: '', willReconnect: true })
  t.ok(socket.closing)
  ;(await sockets.next()).admit()
  t.equal(connection.status, 'open')
})

t.test('a slow getToken fails the refresh, not the connection', async t => {
  let answer: (token: string) => void = () => {}
  let calls = 0
  const { connection, socket } = await open(t, {
    timeout: 200,
    getToken: () => calls++ === 0 ? jwt('1') : new Promise(resolve => { answer = resolve })
  })
  await t.rejects(connection.refresh(), { code: 'WSA_CLIENT_ERR_TIMEOUT', final: false })
  answer(jwt('2'))
  await new Promise(resolve => { setImmediate(resolve) })
  t.equal(socket.sent.length, 1, 'a late answer is not used')
  let fail: (error: Error) => void = () => {}
  const { connection: other, seen } = await open(t, {
    timeout: 200,
    getToken: ({ reason }) => reason === 'connect' ? jwt('1') : new Promise((resolve, reject) => { fail = reject })
  })
  await t.rejects(other.refresh(), { code: 'WSA_CLIENT_ERR_TIMEOUT' })
  fail(new Error('late'))
  await new Promise(resolve => { setImmediate(resolve) })
  t.equal(seen.filter(([name]) => name === 'error').length, 1)
})

t.test('a refresh fails when its socket ends', async t => {
  const { getToken } = tokens()
  const { connection, socket } = await open(t, { getToken })
  const refused = connection.refresh()
  socket.end(4403, 'scope wider')
  await t.rejects(refused, { code: 'WSA_CLIENT_ERR_FORBIDDEN', final: true })

  const closed = await open(t, { getToken: tokens().getToken })
  const dropped = closed.connection.refresh()
  closed.connection.close()
  await t.rejects(dropped, { code: 'WSA_CLIENT_ERR_CLOSED' })
  await new Promise(resolve => { setImmediate(resolve) })
  t.equal(closed.socket.sent.length, 1)
})

t.test('4401 rejects the JWT of the last refresh', async t => {
  const { getToken, asked } = tokens()
  const stuck = (context: TokenContext): string => context.reason === 'rejected' ? jwt('2') : getToken(context)
  const { connection, socket } = await open(t, { getToken: stuck })
  const sent = nextFrame(socket)
  const refreshed = connection.refresh()
  await sent
  socket.say({ type: 'refresh_ok', expiresAt: 1 })
  await refreshed
  t.equal(asked.length, 2)
  socket.end(4401)
  await connection.closed
  t.match(connection.error, { code: 'WSA_CLIENT_ERR_UNAUTHENTICATED', final: true })
})

t.test('a waiting retry is canceled with the connection', async t => {
  const time = clock(t)
  let calls = 0
  const { connection, socket } = await open(t, { getToken: () => { if (calls++ > 0) throw new Error('down'); return jwt('1') }, reconnect: { min: 30 } })
  time.ahead += 5_000
  const failed = until(connection, 'error')
  socket.say({ type: 'expiring', expiresAt: 1 })
  await failed
  connection.close()
  await new Promise(resolve => { setTimeout(resolve, 50) })
  t.equal(calls, 2)
})
