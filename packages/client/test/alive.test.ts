import t, { type Test } from 'tap'
import { open, until, virtual } from './helpers.js'

const auth = (alive?: unknown) => ({ type: 'auth_ok', user: { id: 'alice' }, expiresAt: 1e15, alive })

async function start (t: Test, alive: unknown, options = {}) {
  const built = await open(t, options)
  built.socket.end(1001)
  const socket = (await built.sockets.next()).accept()
  const clock = virtual(t)
  socket.say(auth(alive))
  return { ...built, socket, clock }
}

t.test('gives up a socket that is silent for the interval and 10 s, and no other', async t => {
  const { connection, socket, clock, seen } = await start(t, 25_000)
  t.match(JSON.parse(socket.sent[0] as string), { type: 'auth', alive: true, messageRate: true })
  clock.pass(34_999)
  t.equal(connection.status, 'open')
  socket.onmessage?.({ data: '{"type":"alive"}' })
  clock.pass(34_999)
  socket.onmessage?.({ data: '{"n":1}' })
  clock.pass(34_999)
  t.equal(connection.status, 'open')
  t.same(seen.filter(([name]) => name === 'message'), [['message', { n: 1 }]], 'a sign of life is no message')
  clock.pass(2)
  t.match(connection.status, 'waiting')
  t.match(seen.filter(([name]) => name === 'error' || name === 'close').slice(-2), [['error', { code: 'WSA_CLIENT_ERR_TIMEOUT', message: /silent/, final: false }], ['close', { code: 1006, reason: '' }]])
})

t.test('a throttled tab keeps its socket for a day', async t => {
  const { connection, socket, clock } = await start(t, 25_000)
  for (let n = 0; n < 86_400 / 27; n++) {
    clock.pass(27_000, 60_000)
    socket.onmessage?.({ data: '{"type":"alive"}' })
  }
  t.equal(connection.status, 'open')
  clock.pass(180_000, 60_000)
  t.not(connection.status, 'open', 'but not once the server is silent')
})

t.test('a timer that fires late is no silence', async t => {
  const { connection, socket, clock } = await start(t, 25_000)
  clock.pass(34_000)
  clock.pass(500)
  socket.onmessage?.({ data: '"read after the timer"' })
  clock.pass(20_000)
  t.equal(connection.status, 'open')
})

t.test('a server that names no interval may be silent for ever, and its application may say alive', async t => {
  for (const [alive, options] of [[undefined, {}], [0, {}], [1, {}], ['x', {}]] as const) {
    t.test(String(alive), async t => {
      const { connection, socket, clock, seen } = await start(t, alive, options)
      socket.onmessage?.({ data: '{"type":"alive"}' })
      clock.pass(86_400_000)
      t.equal(connection.status, 'open')
      t.same(seen.filter(([name]) => name === 'message'), [['message', { type: 'alive' }]])
    })
  }
  const { socket } = await open(t, { alive: false })
  t.match(JSON.parse(socket.sent[0] as string), { alive: false })
})

t.test('with one door the client is told by an option', async t => {
  const { socket, connection, clock } = await (async () => {
    const built = await open(t, { getToken: undefined, alive: 25_000 })
    built.socket.end(1001)
    const socket = await built.sockets.next()
    const clock = virtual(t)
    return { ...built, socket: socket.accept(), clock }
  })()
  socket.onmessage?.({ data: '{"type":"alive"}' })
  t.equal(connection.status, 'open')
  clock.pass(35_001)
  t.equal(connection.status, 'waiting')
})

t.test('what a socket had taken is told when it breaks', async t => {
  const { connection, socket, sockets } = await open(t)
  connection.send(1)
  connection.send(2)
  const told = until(connection, 'uncertain')
  socket.end()
  t.same(await told, { count: 2 })
  connection.send(3)
  connection.send(4)
  const last = until(connection, 'uncertain')
  ;(await sockets.next()).accept().end(4403)
  t.same(await last, { count: 2 }, 'and what nobody will send')
})
