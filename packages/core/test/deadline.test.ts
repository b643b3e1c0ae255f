import t, { type Test } from 'tap'
import { Deadline, GrantCheck, Misuse } from '../src/index.js'

function clocked () {
  const clock = { now: 0 }
  return { clock, now: () => clock.now }
}

t.test('whatever settles in time counts, what is late rejects', async t => {
  const { clock, now } = clocked()
  const deadline = new Deadline(1_000, now)
  t.teardown(() => deadline.close())
  t.equal(await deadline.race(Promise.resolve(1)), 1)
  await t.rejects(deadline.race(Promise.reject(new Error('in time'))), { message: 'in time' })
  // None of these keeps to the rules of promises.
  t.equal(await deadline.race({ then: (done: (value: unknown) => void) => { done({ then: (inner: (value: unknown) => void) => inner(2) }) } } as never), 2)
  await t.rejects(deadline.race({ then: () => { throw new Error('thrown') } } as never), { message: 'thrown' })
  let settle!: (value: number) => void
  const late = deadline.race(new Promise<number>(resolve => { settle = resolve }))
  const own = deadline.race(new Promise(() => {}), error => new TypeError(`mine: ${error.message}`))
  clock.now += 900
  deadline.tick()
  clock.now += 200
  deadline.tick()
  settle(3)
  await t.rejects(late, { message: 'No answer within 1000 ms' })
  await t.rejects(own, { name: 'TypeError', message: 'mine: No answer within 1000 ms' })
  t.equal(await new Deadline(1_000).race(Promise.resolve(4)), 4)
})

function build (t: Test) {
  const { clock, now } = clocked()
  const lines: string[] = []
  const log = { warn: (_: object, text: string) => { lines.push(text) }, error: ((_: object, text: string) => { lines.push(text) }) as never }
  const check = new GrantCheck({ hook: 'mayEnter', authorizeTimeout: 1_000, failure: 'nobody knows', misuse: new Misuse(log, 'WSA_TEST_WARN'), log, now })
  t.teardown(() => check.close())
  return { check, lines, clock }
}

t.test('only true lets in; who answers at once is answered at once', async t => {
  const cases: Array<[name: string, hook: () => unknown, answer: string, line?: RegExp]> = [
    ['true', () => true, 'allowed'], ['false', () => false, 'denied'], ['1', () => 1, 'denied', /mayEnter returned number/],
    ['an error', () => { throw new Error('no') }, 'failed', /nobody knows/], ['an error that cannot be logged', () => { throw Object.freeze(new Error('no')) }, 'failed', /nobody knows/]
  ]
  for (const [name, hook, answer, line] of cases) {
    const { check, lines } = build(t)
    t.equal(check.ask(hook), answer, name)
    t.equal(await check.ask(async () => hook()), answer, `${name}, later`)
    t.match(lines[0] ?? '', line ?? /^$/)
  }
  const { check, lines, clock } = build(t)
  const answer = check.ask(() => new Promise(() => {}))
  clock.now += 1_100
  check.tick()
  t.equal(await answer, 'late')
  t.match(lines, [/mayEnter had no answer within authorizeTimeout/])
})
