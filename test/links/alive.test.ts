// Runs alone: it moves the clock of its process.
// A silent link is noticed on both sides, and a busy one is not taken for silent. The clock of client and server
// moves only by the test, so that no outcome hangs on a real second.
import { standingClock, until } from '@fastify-airlock/testing'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { dial, serve } from './peers.js'

const KIB = 1024
const INTERVAL = 80
/** What a client waits beyond the interval. */
const GRACE = 10_000
/** The client's first back-off, by a random number of 0.5. */
const BACKOFF = 500

/** A page, as far as the client looks at one. */
function page (t: Test) {
  const [view, document] = [new EventTarget(), Object.assign(new EventTarget(), { hidden: false })]
  t.intercept(globalThis, 'addEventListener' as never, { value: view.addEventListener.bind(view) } as never)
  t.intercept(globalThis, 'removeEventListener' as never, { value: view.removeEventListener.bind(view) } as never)
  t.intercept(globalThis, 'document' as never, { value: document } as never)
  const show = (hidden: boolean): void => {
    document.hidden = hidden
    document.dispatchEvent(new Event('visibilitychange'))
  }
  return {
    online: () => { view.dispatchEvent(new Event('online')) },
    visible: () => {
      show(true)
      show(false)
    }
  }
}

/** A client that is open, and then has no network any more, without a word. */
async function frozen (t: Test, options: Parameters<typeof dial>[2] = {}) {
  const wake = page(t)
  const clock = standingClock(t, { date: false })
  const server = await serve(t, {
    clock,
    handler: () => {},
    handshake: { alive: INTERVAL },
    heartbeat: { interval: 5_000, timeout: 2_000 }
  })
  const client = dial(t, server, options)
  await until(() => client.connection.status === 'open')
  await clock.until(() => client.signs.count > 0)
  const { down, up } = server.relay
  down.freeze()
  up.freeze()
  // What had passed before is read.
  await sleep(20)
  const freeze = (): void => {
    down.freeze()
    up.freeze()
  }
  const thaw = (): void => {
    down.thaw()
    up.thaw()
  }
  return { ...server, ...client, clock, wake, freeze, thaw }
}

t.test('both sides give a half-open link up', async t => {
  const { app, clock, connection } = await frozen(t)
  const heartbeat = app.wsHeartbeat as unknown as { terminated: number }
  // More than all that the client may take: it counts from what it heard last.
  const from = clock.now
  clock.pass(GRACE - 100)
  t.equal(connection.status, 'open', 'not before its time')
  t.equal(connection.send('into the void'), true)
  clock.pass(INTERVAL + 100)
  t.equal(connection.status, 'waiting', 'interval and 10 s')
  t.ok(clock.now - from <= INTERVAL + GRACE)
  // In steps that the heartbeat does not take for a stall of its process.
  await clock.until(() => app.websocketServer.clients.size === 0, 10)
  t.equal(heartbeat.terminated, 1, 'by the heartbeat, since nothing can arrive')
})

t.test('the client is back within one step of its back-off', async t => {
  const { clock, connection, thaw } = await frozen(t)
  clock.pass(INTERVAL + GRACE)
  t.equal(connection.status, 'waiting')
  thaw()
  clock.pass(BACKOFF)
  await until(() => connection.status === 'open')
})

// An attempt takes real time. A clock that moves on meanwhile, 500 ms with each turn of the event loop, has it time out on a
// machine that is busy, and the next one comes 15 s later.
t.test('the client is back by the next attempt, or by the one under way, however many have failed', async t => {
  for (const underWay of [false, true]) {
    await t.test(underWay ? 'under way' : 'next', async t => {
      const { clock, connection, thaw } = await frozen(t)
      const delays: number[] = []
      connection.on('waiting', ({ delay }) => { delays.push(delay) })
      clock.pass(INTERVAL + GRACE)
      await clock.until(() => delays.length === 9, 500)
      t.strictSame(delays, [500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000, 15_000])
      t.equal(connection.status, 'waiting')
      if (underWay) {
        clock.pass(15_000)
        await until(() => connection.status === 'connecting')
      }
      thaw()
      if (!underWay) clock.pass(15_000)
      await until(() => connection.status === 'open')
      t.equal(delays.length, 9)
    })
  }
})

for (const event of ['online', 'visible'] as const) {
  t.test(`${event}: a client whose machine slept past the limit is back within 2 s`, async t => {
    const { clock, connection, thaw, statuses, wake } = await frozen(t, { reconnect: { min: 60_000, max: 60_000 } })
    // The clock of `performance` stood still, and so did the timers.
    const { now } = Date
    t.intercept(Date, 'now', { value: () => now() + INTERVAL + GRACE })
    wake[event]()
    t.equal(connection.status, 'open')
    const from = clock.now
    statuses.length = 0
    clock.pass(1_000)
    thaw()
    await until(() => connection.status === 'open')
    t.ok(clock.now - from <= 2_000)
    t.same(statuses, ['waiting', 'ticket', 'connecting', 'authenticating', 'open'])
  })

  t.test(`${event}: the client is back at once from a wait`, async t => {
    const { clock, connection, thaw, wake } = await frozen(t)
    clock.pass(INTERVAL + GRACE)
    t.equal(connection.status, 'waiting')
    thaw()
    wake[event]()
    // No time passes.
    await clock.until(() => connection.status === 'open', 0)
  })
}

t.test('online: the client is back at once from an attempt that the network swallowed', async t => {
  const { clock, connection, thaw, freeze, wake } = await frozen(t)
  clock.pass(INTERVAL + GRACE)
  clock.pass(BACKOFF)
  await until(() => connection.status === 'connecting')
  thaw()
  freeze()
  await sleep(20)
  t.equal(connection.status, 'connecting')
  thaw()
  wake.online()
  await clock.until(() => connection.status === 'open', 0)
})

t.test('a server that always says something sends no sign of life, and a client that says much is not cut', async t => {
  const clock = standingClock(t, { date: false })
  let speak = (): void => {}
  let heard = 0
  const server = await serve(t, {
    clock,
    handshake: { alive: INTERVAL },
    hub: { messageRate: false },
    handler: socket => {
      speak = () => { socket.send('"news"') }
      socket.on('message', () => { heard++ })
    }
  })
  const { connection, signs, statuses } = dial(t, server)
  let got = 0
  connection.on('message', () => { got++ })
  await until(() => connection.status === 'open')

  // Longer than any silence that the client allows.
  const rounds = 2 * GRACE / (INTERVAL / 2)
  for (let n = 1; n <= rounds; n++) {
    speak()
    await until(() => got === n)
    clock.pass(INTERVAL / 2)
  }
  t.equal(signs.count, 0, 'the server was never silent')

  const start = clock.now
  let said = 0
  while (clock.now - start < 2 * GRACE) {
    clock.pass(INTERVAL / 4)
    connection.send('x'.repeat(KIB))
    said++
    const least = Math.floor((clock.now - start) / GRACE * 2)
    await until(() => heard === said)
    // A machine that is busy may let the server look late, but not for half of the client's grace.
    await until(() => signs.count >= least)
  }
  t.ok(signs.count <= (clock.now - start) / INTERVAL + 1, `${signs.count} in ${clock.now - start} ms of silence`)
  t.equal(statuses.at(-1), 'open')
  t.equal(statuses.filter(status => status === 'open').length, 1)
})

t.test('a client at 256 KiB/s keeps its socket', async t => {
  const clock = standingClock(t, { date: false })
  const [rate, message, count] = [256 * KIB, 64 * KIB, 64]
  let speak = (): void => {}
  const server = await serve(t, {
    clock,
    handshake: { alive: 1_000 },
    handler: socket => { speak = () => { for (let n = 0; n < count; n++) socket.send(Buffer.alloc(message)) } }
  })
  const { connection, signs, statuses } = dial(t, server)
  let got = 0
  connection.on('message', () => { got++ })
  await until(() => connection.status === 'open')
  const { down } = server.relay
  down.freeze()
  speak()
  const start = clock.now
  const all = (): boolean => got === count
  while (!all()) {
    // Whole bytes: a part of one never passes.
    const goal = down.passed + Math.floor(rate / 20)
    down.allow(goal - down.passed - down.budget)
    // The last step need not be full.
    while (down.passed < goal && !all()) await sleep(1)
    clock.pass(50)
  }
  t.ok(clock.now - start > GRACE + 1_000, `${clock.now - start} ms, longer than any silence that it allows`)
  t.same(statuses.filter(status => status === 'open' || status === 'waiting'), ['open'])
  t.ok(signs.count <= (clock.now - start) / 1_000)
})
