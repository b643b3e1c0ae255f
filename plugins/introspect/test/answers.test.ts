import t, { type Test } from 'tap'
import { Answers } from '../src/answers.js'
import type { Verdict } from '../src/verdict.js'
import { createStats } from './helpers.js'

const ALICE = { subject: 'alice', claims: {}, expiresAt: null }

/** Makes answers on a clock that only the test moves; the test settles the questions. */
function make (options: { cacheTtl?: number, negativeCacheTtl?: number, cacheSize?: number } = {}) {
  const clock = { now: 1_000_000 }
  const stats = createStats()
  const questions: Array<{ token: string, answer: (verdict: Verdict) => void, fail: (error: Error) => void }> = []
  const answers = new Answers({
    cacheTtl: 30_000,
    negativeCacheTtl: 5_000,
    cacheSize: 10,
    ...options,
    stats,
    now: () => clock.now,
    ask: token => new Promise((resolve, reject) => { questions.push({ token, answer: resolve, fail: reject }) })
  })
  /** Asks about a token, and answers the question if there is one. */
  const ask = async (token: string, verdict: Verdict) => {
    const pending = answers.ask(token)
    questions.at(-1)?.answer(verdict)
    questions.length = 0
    return await pending
  }
  return { answers, clock, stats, questions, ask }
}

/** Whether the answer is cached. */
function known (t: Test, { answers, questions, stats }: ReturnType<typeof make>, token: string): boolean {
  const { hits } = stats
  const verdict = answers.ask(token)
  const asked = questions.splice(0)
  t.equal(asked.length === 0, stats.hits === hits + 1)
  t.equal(asked.length === 0, !(verdict instanceof Promise), 'a cached answer comes at once')
  asked[0]?.answer('inactive')
  return asked.length === 0
}

t.test('a good answer is cached for cacheTtl, to the millisecond', async t => {
  const made = make()
  t.equal(await made.ask('a', ALICE), ALICE)
  made.clock.now += 29_999
  t.equal(known(t, made, 'a'), true)
  made.clock.now += 1
  t.equal(known(t, made, 'a'), false)
})

t.test('a good answer is never cached beyond its expiry', async t => {
  const made = make()
  await made.ask('a', { ...ALICE, expiresAt: made.clock.now + 1_000 })
  made.clock.now += 999
  t.equal(known(t, made, 'a'), true)
  made.clock.now += 1
  t.equal(known(t, made, 'a'), false)
})

t.test('a refusal is cached for negativeCacheTtl', async t => {
  const made = make()
  t.equal(await made.ask('a', 'inactive'), 'inactive')
  made.clock.now += 4_999
  t.equal(known(t, made, 'a'), true)
  made.clock.now += 1
  t.equal(known(t, made, 'a'), false)
})

t.test('a later answer replaces an earlier one', async t => {
  const made = make()
  await made.ask('a', ALICE)
  made.clock.now += 30_000
  await made.ask('a', 'inactive')
  t.equal(made.answers.size, 1)
  t.equal(made.answers.ask('a'), 'inactive')
  made.clock.now += 5_000
  await made.ask('a', ALICE)
  t.equal(made.answers.size, 1)
  t.equal(made.answers.ask('a'), ALICE)
})

t.test('with 0 nothing is cached', async t => {
  const made = make({ cacheTtl: 0, negativeCacheTtl: 0 })
  await made.ask('a', ALICE)
  await made.ask('b', 'inactive')
  t.equal(made.answers.size, 0)
  t.equal(known(t, made, 'a'), false)
})

t.test('concurrent questions about one token are one question; all get its failure, which is not cached', async t => {
  const { answers, questions, stats } = make()
  const three = [answers.ask('a'), answers.ask('a'), answers.ask('a')]
  const other = answers.ask('b')
  t.strictSame(questions.map(({ token }) => token), ['a', 'b'])
  t.equal(stats.shared, 2)
  questions[0]?.fail(new Error('away'))
  questions[1]?.answer(ALICE)
  for (const result of await Promise.allSettled(three)) t.match(result, { status: 'rejected', reason: { message: 'away' } })
  t.equal(await other, ALICE)
  const again = answers.ask('a')
  t.equal(questions.length, 3, 'asked again')
  questions[2]?.answer(ALICE)
  t.equal(await again, ALICE)
})

t.test('the cache is bounded: the least recently used go first, and bad tokens push out no good ones', async t => {
  const made = make({ cacheSize: 2 })
  await made.ask('a', ALICE)
  await made.ask('b', ALICE)
  t.equal(known(t, made, 'a'), true)
  await made.ask('c', ALICE)
  for (const token of ['1', '2', '3', '4']) await made.ask(token, 'inactive')
  t.equal(made.answers.size, 4)
  t.equal(known(t, made, 'a'), true)
  t.equal(known(t, made, 'c'), true)
  t.equal(known(t, made, '4'), true)
  t.equal(known(t, made, '1'), false)
  t.equal(known(t, made, 'b'), false)
})

t.test('forget drops what is known of one subject, and nothing else', async t => {
  const made = make()
  await made.ask('a1', ALICE)
  await made.ask('a2', ALICE)
  await made.ask('b', { ...ALICE, subject: 'bob' })
  await made.ask('x', 'inactive')
  made.answers.forget('alice')
  t.equal(made.answers.forgotten, 1)
  t.equal(made.answers.size, 2)
  t.equal(known(t, made, 'b'), true)
  t.equal(known(t, made, 'x'), true)
  t.equal(known(t, made, 'a1'), false)
})

t.test('forget repeats a question under way that turns out to be about the subject', async t => {
  const { answers, questions } = make()
  const before = answers.ask('a')
  const others = answers.ask('b')
  answers.forget('alice')
  const after = answers.ask('a')
  t.equal(questions.length, 2)
  questions[0]?.answer(ALICE)
  questions[1]?.answer({ ...ALICE, subject: 'bob' })
  t.match(await others, { subject: 'bob' })
  t.equal(questions.length, 3)
  t.equal(questions[2]?.token, 'a')
  questions[2]?.answer('inactive')
  t.equal(await before, 'inactive')
  t.equal(await after, 'inactive')
})

t.test('clear forgets everything', async t => {
  const made = make()
  await made.ask('a', ALICE)
  await made.ask('b', 'inactive')
  made.answers.clear()
  t.equal(made.answers.size, 0)
})

t.test('the real clock is the default', async t => {
  const answers = new Answers({ cacheTtl: 60_000, negativeCacheTtl: 1, cacheSize: 1, stats: createStats(), ask: async () => ALICE })
  await answers.ask('a')
  t.equal(answers.ask('a'), ALICE)
})
