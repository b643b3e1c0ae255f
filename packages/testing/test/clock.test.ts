// Runs alone: it moves the clock of its process.
import t from 'tap'
import { testServer, runningClock, standingClock } from '../src/index.js'
import { build } from './build.js'

t.test('a clock that runs and is put forward', async t => {
  const [now, date] = [performance.now, Date.now]
  const clock = runningClock(t)
  const before = { monotonic: performance.now(), wall: Date.now() }
  clock.forward(60_000)
  t.ok(performance.now() - before.monotonic >= 60_000)
  t.ok(Date.now() - before.wall >= 60_000)
  clock.ahead = 0
  t.ok(performance.now() - before.monotonic < 60_000)
  t.throws(() => standingClock(), { code: 'WSA_TESTING_ERR_CLOCK' })
  clock.restore()
  t.equal(performance.now, now)
  t.equal(Date.now, date)
  t.notOk(Object.hasOwn(performance, 'now'))
  runningClock()[Symbol.dispose]()
  clock.restore()
})

t.test('a ticket expires without anybody waiting', async t => {
  // Before the plugins are registered: they keep the function.
  const clock = runningClock(t)
  const server = await testServer(await build(), { t })
  const alice = server.device('alice')
  const { ticket } = await alice.ticket()
  clock.forward(30_000)
  t.match(await alice.refused('/ws', { ticket }), { status: 401 })
  await alice.open()
})

t.test('a clock that stands still', async t => {
  const clock = standingClock(t)
  const begun = Date.now()
  const fired: string[] = []
  const timer = setTimeout(name => fired.push(name), 20, 'second')
  setTimeout(() => { fired.push('first') }, 10)
  setTimeout(() => { fired.push('same time, later') }, 20)
  setTimeout(() => { fired.push('at once') })
  setTimeout(() => { fired.push('negative') }, -5)
  clearTimeout(setTimeout(() => { fired.push('never') }, 5))
  setTimeout(() => { fired.push('never') }, 5).close()
  setTimeout(() => { fired.push('never') }, 5)[Symbol.dispose]()
  t.ok(timer.ref().unref().hasRef())
  t.equal(performance.now(), 0)
  clock.pass(9)
  t.same(fired, ['at once', 'negative'])
  clock.pass(100)
  t.same(fired, ['at once', 'negative', 'first', 'second', 'same time, later'])
  t.equal(clock.now, 109)
  t.equal(Date.now() - begun, 109)
  timer.refresh()
  clock.pass(19)
  t.equal(fired.length, 5)
  clock.pass(1)
  t.equal(fired.at(-1), 'second', 'again')

  let done = false
  setTimeout(() => { done = true }, 500)
  await clock.until(() => done)
  t.equal(clock.now, 129 + 500 - (129 + 500) % 50 + (129 % 50))
  await clock.until(() => performance.now() > 10_000, 5_000)
  // What is there already needs no time.
  await clock.until(() => true)
  // A timer of before, or of Node itself.
  clearTimeout(undefined)
  clock.restore()
  t.not(performance.now(), clock.now)

  const other = standingClock(undefined, { date: false })
  const wall = Date.now()
  other.pass(60_000)
  t.ok(Date.now() - wall < 60_000)
  other[Symbol.dispose]()
})

t.test('a real timer of before can be cleared', async t => {
  const real = setTimeout(() => { t.fail('it was cleared') }, 50)
  const clock = standingClock(t)
  clearTimeout(real)
  clock.restore()
  await new Promise(resolve => setTimeout(resolve, 60))
})
