import { AsyncLocalStorage } from 'node:async_hooks'
import { execFile } from 'node:child_process'
import { createServer } from 'node:http'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { Turn, Turnstile, turnstileOf } from '../src/index.js'

/** Tasks of a millisecond each, on a clock of their own, which note when they ran. */
function build (slice = 3) {
  const clock = { now: 0 }
  const ran: string[] = []
  const turnstile = new Turnstile({ slice, now: () => clock.now })
  const task = (name: string) => () => {
    clock.now++
    ran.push(name)
  }
  return { turnstile, ran, task }
}

const turn = async (): Promise<void> => { await new Promise(resolve => setImmediate(resolve)) }

t.test('tasks run at once while the turn has time, the rest in later turns, in order', async t => {
  const { turnstile, ran, task } = build()
  for (let index = 0; index < 8; index++) turnstile.enter(Turn.UPGRADE, task(String(index)))
  t.equal(ran.join(''), '012')
  t.equal(turnstile.size, 5)
  await turn()
  t.equal(ran.join(''), '012345')
  await turn()
  t.equal(ran.join(''), '01234567')
  t.equal(turnstile.size, 0)
  turnstile.enter(Turn.UPGRADE, task('8'))
  t.equal(ran.join(''), '012345678', 'and at once again')
})

t.test('a new task does not overtake waiting ones, even when there is time again', async t => {
  const { turnstile, ran, task } = build(1)
  for (const name of 'abc') turnstile.enter(Turn.TICKET, task(name))
  setImmediate(() => turnstile.enter(Turn.TICKET, task('d')))
  for (let turns = 0; turns < 4; turns++) await turn()
  t.equal(ran.join(''), 'abcd')
})

t.test('more urgent kinds go first, each in order of arrival', async t => {
  const { turnstile, ran, task } = build(1)
  turnstile.enter(Turn.TICKET, task('.'))
  for (const number of [1, 2]) {
    turnstile.enter(Turn.TICKET, task(`t${number}`))
    turnstile.enter(Turn.UPGRADE, task(`u${number}`))
    turnstile.enter(Turn.FIRST_FRAME, task(`f${number}`))
  }
  while (turnstile.size > 0) await turn()
  t.equal(ran.join(' '), '. f1 u1 t1 f2 u2 t2', 'one of those who are less urgent has its turn as well')
})

t.test('other work runs in between', async t => {
  const { turnstile, ran, task } = build(1)
  for (const name of 'abc') turnstile.enter(Turn.TICKET, task(name))
  const other = (): void => {
    ran.push('-')
    if (turnstile.size > 0) setImmediate(other)
  }
  setImmediate(other)
  while (turnstile.size > 0) await turn()
  t.match(ran.join(''), /^ab?-.*c/)
})

t.test('a task that throws does not stop others', async t => {
  const { turnstile, ran, task } = build()
  t.throws(() => turnstile.enter(Turn.TICKET, () => { throw new Error('at once') }), { message: 'at once' })
  turnstile.enter(Turn.TICKET, task('a'))
  t.same(ran, ['a'])

  const fixture = fileURLToPath(new URL('fixtures/throwing-task.ts', import.meta.url))
  const { stdout } = await promisify(execFile)(process.execPath, [...process.execArgv, fixture])
  t.equal(stdout, 'a thrown b', 'nor does one that throws in a later turn')
})

t.test('the default clock is the real one', async t => {
  let ran = false
  new Turnstile().enter(Turn.TICKET, () => { ran = true })
  t.ok(ran)
})

t.test('while too much is under way, only first frames are let through', async t => {
  const clock = { now: 0 }
  const ran: string[] = []
  const turnstile = new Turnstile({ maxUnderWay: 2, now: () => clock.now })
  const ask = (name: string) => () => {
    ran.push(name)
    turnstile.begin()
  }
  for (const name of ['t1', 't2', 't3', 't4']) turnstile.enter(Turn.TICKET, ask(name))
  turnstile.enter(Turn.UPGRADE, ask('u1'))
  turnstile.enter(Turn.FIRST_FRAME, () => { ran.push('f1') })
  await turn()
  t.equal(ran.join(' '), 't1 t2 f1')
  t.equal(turnstile.size, 3)
  await turn()
  turnstile.end()
  await turn()
  t.equal(ran.join(' '), 't1 t2 f1 u1', 'a place came free, for the most urgent')
  turnstile.end()
  turnstile.end()
  await turn()
  t.equal(ran.join(' '), 't1 t2 f1 u1 t3 t4')
  turnstile.end()
  turnstile.end()
  turnstile.enter(Turn.TICKET, ask('t5'))
  t.equal(ran.at(-1), 't5', 'at once again')
})

t.test('a waiting task keeps its async context', async t => {
  const context = new AsyncLocalStorage<string>()
  const { turnstile } = build(0)
  const seen: Array<[string, string | undefined]> = []
  for (const name of ['alice', 'bob', 'carol']) {
    context.run(name, () => turnstile.enter(Turn.UPGRADE, () => { seen.push([name, context.getStore()]) }))
  }
  while (turnstile.size > 0) await turn()
  t.same(seen, [['alice', 'alice'], ['bob', 'bob'], ['carol', 'carol']])
})

t.test('less urgent tasks do not wait forever', async t => {
  const { turnstile, ran, task } = build(1)
  const flood = (): void => {
    turnstile.enter(Turn.FIRST_FRAME, task('f'))
    if (!ran.includes('t') || !ran.includes('u')) setImmediate(flood)
  }
  for (let times = 0; times < 5; times++) turnstile.enter(Turn.FIRST_FRAME, task('f'))
  turnstile.enter(Turn.TICKET, task('t'))
  turnstile.enter(Turn.UPGRADE, task('u'))
  flood()
  while (turnstile.size > 0) await turn()
  t.ok(ran.includes('t') && ran.includes('u'))
})

t.test('a server has one', async t => {
  const [one, other] = [createServer(), createServer()]
  t.equal(turnstileOf(one), turnstileOf(one))
  t.not(turnstileOf(one), turnstileOf(other))
})
