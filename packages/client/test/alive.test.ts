import t, { type Test } from 'tap'
import { build, open, until, virtual } from './helpers.js'
import { page } from './page.js'

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
  for (const alive of [undefined, null, 0, -5, true, 'x', [], {}]) {
    t.test(JSON.stringify(alive) ?? 'undefined', async t => {
      const { connection, socket, clock, seen } = await start(t, alive)
      socket.onmessage?.({ data: '{"type":"alive"}' })
      clock.pass(86_400_000)
      t.equal(connection.status, 'open')
      t.same(seen.filter(([name]) => name === 'message'), [['message', { type: 'alive' }]])
    })
  }
  const { socket } = await open(t, { alive: false })
  t.match(JSON.parse(socket.sent[0] as string), { alive: false })
})

t.test('any interval is one, and its signs are no messages', async t => {
  for (const alive of [1, 1.5, 604_800_000]) {
    await t.test(`${alive}`, async t => {
      const { connection, socket, clock, seen } = await start(t, alive)
      clock.pass(alive + 9_000)
      socket.onmessage?.({ data: '{"type":"alive"}' })
      clock.pass(alive + 9_900)
      t.equal(connection.status, 'open')
      t.notOk(seen.some(([name]) => name === 'message'))
      clock.pass(101)
      t.match(seen.findLast(([name]) => name === 'error'), ['error', { message: /silent/ }])
    })
  }
  const { connection, clock } = await start(t, 2 ** 31 - 1)
  clock.pass(2 ** 32)
  t.equal(connection.status, 'open', 'for one that no timer can wait for there is none')
})

t.test('a page that slept, whose clock stood still meanwhile, gives up a socket that says nothing in the second after', async t => {
  for (const [silence, hidden, alive, survives] of [
    // The page may sleep before it is hidden, and nobody tells it when the network has been away.
    [35_000, 1_000, 25_000, false], [35_000, 61_000, 25_000, false], [12_000, 0, 1_000, false],
    [33_000, 33_000, 25_000, true], [3_600_000, 3_600_000, undefined, true]
  ] as const) {
    const event = hidden === 0 ? 'online' : 'visible'
    await t.test(`${event} after ${silence} ms, ${alive}`, async t => {
      const window = page(t)
      const { connection, clock, seen } = await start(t, alive, { getToken: undefined, alive })
      const slept = Date.now() + silence
      if (hidden) {
        t.intercept(Date, 'now', { value: () => slept - hidden })
        window.turn('hidden')
      }
      t.intercept(Date, 'now', { value: () => slept })
      if (hidden) window.turn('visible')
      else window.online()
      t.equal(connection.status, 'open', 'what has come may not have been read yet')
      clock.pass(1_000)
      if (survives) return t.equal(connection.status, 'open')
      t.match(seen.findLast(([name]) => name === 'waiting'), ['waiting', { delay: 0 }], 'at once')
    })
  }
})

t.test('but not one that says something', async t => {
  const window = page(t)
  const { connection, socket, clock } = await start(t, 25_000, { getToken: undefined, alive: 25_000 })
  const slept = Date.now() + 86_400_000
  t.intercept(Date, 'now', { value: () => slept })
  window.online()
  clock.pass(999)
  socket.onmessage?.({ data: '"read after the timer"' })
  clock.pass(33_999)
  t.equal(connection.status, 'open')
  clock.pass(1_001)
  t.not(connection.status, 'open')
})

t.test('an option that is no interval is an error', async t => {
  for (const alive of ['x', NaN, -1, -Infinity, {}, () => {}]) {
    t.throws(() => build(t, { alive: alive as number }), { code: 'WSA_CLIENT_ERR_OPTIONS', message: /alive/ }, String(alive))
  }
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
