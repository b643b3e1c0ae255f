// Runs alone: it moves the clock of its process.
import t from 'tap'
import { testServer, runningClock, standingClock, until } from '../src/index.js'
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

t.test('intervals stand still as well', async t => {
  const clock = standingClock(t)
  const fired: Array<[string, number]> = []
  const note = (name: string): void => { fired.push([name, clock.now]) }
  const ten = setInterval(note, 10, 'ten')
  const four = setInterval(() => {
    note('four')
    if (fired.length > 5) clearInterval(four)
  }, 4)
  clock.pass(20)
  t.same(fired, [['four', 4], ['four', 8], ['ten', 10], ['four', 12], ['four', 16], ['ten', 20], ['four', 20]])
  clock.pass(9)
  t.equal(fired.length, 7, 'it was cleared while it fired')
  ten.refresh()
  clock.pass(9)
  t.equal(fired.length, 7)
  clock.pass(1)
  t.same(fired.at(-1), ['ten', 39])
  clearTimeout(ten)
  const every = setInterval(() => note('every'))
  clock.pass(2)
  t.same(fired.slice(-2), [['every', 40], ['every', 41]], 'a millisecond at least')
  every.close()
  clock.pass(50)
  t.equal(fired.length, 10)
})

t.test('intervals that are real', async t => {
  const real = setInterval
  const clock = standingClock(t, { intervals: false })
  t.equal(setInterval, real)
  let fired = 0
  const timer = setInterval(() => { fired++ }, 1)
  await until(() => fired > 1)
  t.equal(clock.now, 0)
  clearInterval(timer)
})

t.test('time that passes in steps, with what happens between', async t => {
  const clock = standingClock(t)
  const seen: number[] = []
  const timer = setInterval(() => { setImmediate(() => { seen.push(clock.now) }) }, 1_000)
  await clock.advance(3_500)
  t.same(seen, [1_000, 2_000, 3_000], 'a step without a timer is left out')
  t.equal(clock.now, 3_500)
  await clock.advance(10_000, 2_500)
  t.equal(clock.now, 13_500)
  t.equal(seen.length, 13)
  clearInterval(timer)
})

t.test('waiting while the clock passes', async t => {
  const clock = standingClock(t)
  let state = 'starting'
  setTimeout(() => { state = 'up' }, 3_600_000)
  t.equal(await until(() => state, 'up', { clock, step: 600_000 }), 'up')
  t.equal(clock.now, 3_600_000)
  await until(() => 1, 1, { clock })
  t.equal(clock.now, 3_600_000)
  await t.rejects(clock.until(() => false, 10, { timeout: 20 }), { code: 'WSA_TESTING_ERR_TIMEOUT', message: /Last seen: false$/ })
  const end = clock.now
  await until(() => false, undefined, { timeout: 1 }).catch(() => {})
  t.equal(clock.now, end, 'a clock that is not given does not move')
})

t.test('a real timer of before can be cleared', async t => {
  const real = setTimeout(() => { t.fail('it was cleared') }, 50)
  const clock = standingClock(t)
  clearTimeout(real)
  clock.restore()
  await new Promise(resolve => setTimeout(resolve, 60))
})
