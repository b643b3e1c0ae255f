import t, { type Test } from 'tap'
import { build, virtual } from './helpers.js'

/** Opens a connection to a server that says so of its limit, with a clock that the test moves. */
async function start (t: Test, messageRate: unknown, messages = 1_000) {
  const built = build(t, { queue: { messages } })
  const socket = (await built.sockets.next()).accept()
  const clock = virtual(t)
  socket.say({ type: 'auth_ok', user: { id: 'alice' }, expiresAt: 1e15, messageRate })
  return { ...built, socket, clock, sent: () => socket.sent.length - 1 }
}

t.test('half of what the server allows at once goes at once, and the rest at nine tenths of its rate', async t => {
  for (const [perSecond, burst, atOnce] of [[100, 200, 90], [1_000, 100, 45], [10, 1, 1], [0.5, 3, 1], [100, 2, 1]] as const) {
    const { connection, socket, clock, sent } = await start(t, { perSecond, burst })
    const count = atOnce + 50
    for (let n = 0; n < count; n++) t.equal(connection.send(n), n < atOnce)
    t.equal(sent(), atOnce, `${burst} at once`)
    clock.pass(40 / 0.9 / perSecond * 1_000)
    t.ok(Math.abs(sent() - atOnce - 40) <= 1, `${sent() - atOnce} in the time of 40`)
    clock.pass(60 / 0.9 / perSecond * 1_000)
    t.strictSame(socket.sent.slice(1), Array.from({ length: count }, (_, n) => `${n}`), 'all, once and in order')
    clock.pass(86_400_000)
    t.equal(connection.send('one more'), true)
  }
})

t.test('a server never gets more than it allows, also when a network holds messages back', async t => {
  for (const delay of [0, 500, 900]) {
    const { connection, socket, clock } = await start(t, { perSecond: 100, burst: 200 })
    const arrivals: number[] = []
    socket.send = () => { arrivals.push(Math.max(clock.now(), delay)) }
    for (let n = 0; n < 600; n++) connection.send(n)
    clock.pass(10_000)
    t.equal(arrivals.length, 600)
    let full = 0
    const over = arrivals.filter(time => {
      full = Math.max(full, time) + 10
      return full - time > 200 * 10
    })
    t.equal(over.length, 0, `${delay} ms`)
  }
})

t.test('who says nothing of a limit, or nothing that can be read, gets everything at once', async t => {
  for (const rate of [undefined, null, {}, 5, 'x', { perSecond: 'x', burst: 'y' }, { perSecond: 0, burst: 1 }, { perSecond: Infinity, burst: 1 },
    { perSecond: 10, burst: 0 }, { perSecond: 10, burst: 0.5 }, { perSecond: 10, burst: -3 }, { perSecond: -5, burst: 10 }, { perSecond: 10 }, { burst: 3 }]) {
    const { connection, sent } = await start(t, rate)
    for (let n = 0; n < 500; n++) connection.send(n)
    t.equal(sent(), 500, JSON.stringify(rate))
  }
})

t.test('a timer that is late, as in a hidden page, holds nothing back that may be sent', async t => {
  const { connection, socket, clock, sent } = await start(t, { perSecond: 100, burst: 20 })
  for (let n = 0; n < 12; n++) connection.send(n)
  t.equal(sent(), 9)
  t.intercept(performance, 'now', { value: () => 60_000 })
  t.equal(connection.send(12), true)
  t.strictSame(socket.sent.slice(1), Array.from({ length: 13 }, (_, n) => `${n}`))
  clock.pass(60_000)
  t.equal(sent(), 13)
})

t.test('a new socket begins with a new limit', async t => {
  const { connection, socket, sockets, clock } = await start(t, { perSecond: 1, burst: 3 })
  for (let n = 0; n < 4; n++) connection.send(n)
  t.same(socket.sent.slice(1), ['0'])
  socket.end()
  clock.pass(1_000)
  const next = (await sockets.next()).accept()
  next.say({ type: 'auth_ok', user: { id: 'alice' }, expiresAt: 1e15, messageRate: { perSecond: 1, burst: 5 } })
  t.same(next.sent.slice(1), ['1', '2'])
  clock.pass(1_200)
  t.same(next.sent.slice(1), ['1', '2', '3'])
})
