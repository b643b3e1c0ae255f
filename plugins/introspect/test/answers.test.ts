import { EventEmitter } from 'node:events'
import { validateHeaderValue } from 'node:http'
import t, { type Test } from 'tap'
import { Answers } from '../src/answers.js'
import { type Asker, clientOf, recheckOf } from '../src/asker.js'
import { Inquiry } from '../src/inquiry.js'
import type { Verdict } from '../src/verdict.js'
import { createStats, fakeLog, until } from './helpers.js'

const ALICE = { subject: 'alice', claims: {}, expiresAt: null }

/** Makes answers on a clock that only the test moves; the test settles the questions. */
function make (t: Test, options: Partial<ConstructorParameters<typeof Answers>[0] & ConstructorParameters<typeof Inquiry>[0]> = {}) {
  const clock = { now: 1_000_000 }
  const stats = createStats()
  const log = fakeLog()
  const questions: Array<{ token: string, answer: (verdict: Verdict) => void, fail: (error: Error) => void, signal: AbortSignal }> = []
  const settings = {
    timeout: 1_000,
    concurrency: 16,
    maxPending: 1_000,
    pendingPerAddress: 100,
    circuitBreaker: null,
    cacheTtl: 30_000,
    negativeCacheTtl: 5_000,
    cacheSize: 10,
    rememberedTokens: 10,
    refusalRate: { perSecond: 1, burst: 3 },
    ...options,
    stats,
    log,
    now: () => clock.now,
    wall: () => clock.now
  }
  const inquiry = new Inquiry({
    ...settings,
    ask: (token, signal) => new Promise((resolve, reject) => { questions.push({ token, answer: resolve, fail: reject, signal }) })
  })
  const answers = new Answers({ ...settings, inquiry })
  // Deadlines do not keep the process alive.
  const alive = setInterval(() => {}, 1_000)
  t.teardown(() => {
    clearInterval(alive)
    inquiry.close()
  })
  /** Asks about a token, and answers the question if there is one. */
  const ask = async (token: string, verdict: Verdict, who: () => Asker = nobody) => {
    const pending = answers.ask(token, who)
    questions.at(-1)?.answer(verdict)
    questions.length = 0
    return await pending
  }
  return { answers, inquiry, clock, stats, questions, ask, log }
}

const nobody = (): Asker => ({ party: '', isRecheck: false, hasLeft: () => false, onLeave: () => () => {} })

/** A client on a connection that the test can close. */
function client (ip: string) {
  const socket = Object.assign(new EventEmitter(), { destroyed: false })
  const leave = () => {
    socket.destroyed = true
    socket.emit('close')
  }
  return { socket, leave, who: () => clientOf({ ip, raw: { socket } } as never) }
}

/** Whether the answer is cached. */
function known (t: Test, { answers, questions, stats }: ReturnType<typeof make>, token: string): boolean {
  const { hits } = stats
  const verdict = answers.ask(token, nobody)
  const asked = questions.splice(0)
  t.equal(asked.length === 0, stats.hits === hits + 1)
  t.equal(asked.length === 0, !(verdict instanceof Promise), 'a cached answer comes at once')
  asked[0]?.answer('inactive')
  return asked.length === 0
}

t.test('a good answer is cached for cacheTtl, to the millisecond', async t => {
  const made = make(t)
  t.equal(await made.ask('a', ALICE), ALICE)
  made.clock.now += 29_999
  t.equal(known(t, made, 'a'), true)
  made.clock.now += 1
  t.equal(known(t, made, 'a'), false)
})

t.test('a good answer is never cached beyond its expiry', async t => {
  const made = make(t)
  await made.ask('a', { ...ALICE, expiresAt: made.clock.now + 1_000 })
  made.clock.now += 999
  t.equal(known(t, made, 'a'), true)
  made.clock.now += 1
  t.equal(known(t, made, 'a'), false)
})

t.test('a refusal is cached for negativeCacheTtl', async t => {
  const made = make(t)
  t.equal(await made.ask('a', 'inactive'), 'inactive')
  made.clock.now += 4_999
  t.equal(known(t, made, 'a'), true)
  made.clock.now += 1
  t.equal(known(t, made, 'a'), false)
})

t.test('a later answer replaces an earlier one', async t => {
  const made = make(t)
  await made.ask('a', ALICE)
  made.clock.now += 30_000
  await made.ask('a', 'inactive')
  t.equal(made.answers.size, 1)
  t.equal(made.answers.ask('a', nobody), 'inactive')
  made.clock.now += 5_000
  await made.ask('a', ALICE)
  t.equal(made.answers.size, 1)
  t.equal(made.answers.ask('a', nobody), ALICE)
})

t.test('with 0 nothing is cached', async t => {
  const made = make(t, { cacheTtl: 0, negativeCacheTtl: 0 })
  await made.ask('a', ALICE)
  await made.ask('b', 'inactive')
  t.equal(made.answers.size, 0)
  t.equal(known(t, made, 'a'), false)
})

t.test('concurrent questions about one token are one question; all get its failure, which is not cached', async t => {
  const { answers, questions, stats } = make(t)
  const three = [answers.ask('a', nobody), answers.ask('a', nobody), answers.ask('a', nobody)]
  const other = answers.ask('b', nobody)
  t.strictSame(questions.map(({ token }) => token), ['a', 'b'])
  t.equal(stats.shared, 2)
  questions[0]?.fail(new Error('away'))
  questions[1]?.answer(ALICE)
  for (const result of await Promise.allSettled(three)) t.match(result, { status: 'rejected', reason: { code: 'WSA_INTROSPECT_ERR_UNAVAILABLE', cause: { message: 'away' } } })
  t.equal(await other, ALICE)
  const again = answers.ask('a', nobody)
  t.equal(questions.length, 3, 'asked again')
  questions[2]?.answer(ALICE)
  t.equal(await again, ALICE)
})

t.test('the cache is bounded: the least recently used go first, and bad tokens push out no good ones', async t => {
  const made = make(t, { cacheSize: 2 })
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
  const made = make(t)
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
  const { answers, questions } = make(t)
  const before = answers.ask('a', nobody)
  const others = answers.ask('b', nobody)
  answers.forget('alice')
  const after = answers.ask('a', nobody)
  t.equal(questions.length, 2)
  questions[0]?.answer(ALICE)
  questions[1]?.answer({ ...ALICE, subject: 'bob' })
  t.match(await others, { subject: 'bob' })
  await until(() => questions.length === 3)
  t.equal(questions[2]?.token, 'a')
  questions[2]?.answer('inactive')
  t.equal(await before, 'inactive')
  t.equal(await after, 'inactive')
})

t.test('clear forgets everything', async t => {
  const made = make(t)
  await made.ask('a', ALICE)
  await made.ask('b', 'inactive')
  made.answers.clear()
  t.equal(made.answers.size, 0)
})

t.test('the real clocks are the default', async t => {
  const settings = {
    cacheTtl: 60_000,
    negativeCacheTtl: 1,
    cacheSize: 1,
    rememberedTokens: 1,
    refusalRate: { perSecond: 1, burst: 1 },
    timeout: 30_000,
    concurrency: 1,
    maxPending: 1,
    pendingPerAddress: 1,
    circuitBreaker: null,
    stats: createStats(),
    log: fakeLog(),
    ask: async (token: string) => token === 'a' ? ALICE : 'inactive' as const
  }
  const answers = new Answers({ ...settings, inquiry: new Inquiry(settings) })
  await answers.ask('a', nobody)
  t.equal(answers.ask('a', nobody), ALICE)
  await answers.ask('x', client('192.0.2.1').who)
  t.throws(() => answers.ask('y', client('192.0.2.1').who), { code: 'WSA_INTROSPECT_ERR_TOO_MANY_REFUSALS', retryAfter: 1 })
})

const TOO_MANY = { code: 'WSA_INTROSPECT_ERR_TOO_MANY_REFUSALS', statusCode: 429 }

t.test('an address whose tokens are refused too often has to wait, for new tokens alone', async t => {
  const { answers, ask, clock, stats } = make(t, { cacheTtl: 1_000 })
  const { who } = client('192.0.2.1')
  await ask('good', ALICE, who)
  for (let i = 0; i < 3; i++) t.equal(await ask(`bad ${i}`, 'inactive', who), 'inactive')
  t.throws(() => answers.ask('other', who), { ...TOO_MANY, retryAfter: 1, headers: { 'retry-after': '1' } })
  t.equal(stats.limited, 1)
  t.equal(answers.ask('good', who), ALICE, 'what is cached is answered')
  t.equal(answers.ask('bad 0', who), 'inactive', 'so is a refusal')
  clock.now += 999
  t.throws(() => answers.ask('other', who), TOO_MANY)
  clock.now += 1
  t.equal(await ask('good', ALICE, who), ALICE, 'a token that was good before is asked about')
  t.equal(await ask('other', 'inactive', who), 'inactive', 'one is allowed a second')
  t.throws(() => answers.ask('another', who), TOO_MANY)
  t.equal(await ask('another', ALICE, client('192.0.2.2').who), ALICE, 'other addresses have no part in it')
})

t.test('good behavior uses up nothing of the limit', async t => {
  const { ask, clock } = make(t, { refusalRate: { perSecond: 0.1, burst: 1 }, cacheTtl: 1_000, negativeCacheTtl: 0, cacheSize: 200, rememberedTokens: 200 })
  const { who } = client('192.0.2.1')
  for (let i = 0; i < 100; i++) t.equal(await ask(`good ${i}`, ALICE, who), ALICE)
  clock.now += 1_000
  for (let i = 0; i < 100; i++) t.equal(await ask(`good ${i}`, 'inactive', who), 'inactive', 'a good token ends')
  t.equal(await ask('good', ALICE, who), ALICE)
  t.equal(await ask('good 0', 'inactive', who), 'inactive', 'asked about again, it is one like any other')
  await t.rejects(ask('good 1', 'inactive', who), TOO_MANY)
})

t.test('a limit of refusals can be off, and does not count clients without an address', async t => {
  for (const [options, who] of [[{ refusalRate: false }, client('192.0.2.1').who], [{}, nobody]] as const) {
    const { ask } = make(t, options)
    for (let i = 0; i < 20; i++) t.equal(await ask(`bad ${i}`, 'inactive', who), 'inactive')
  }
})

t.test('IPv6 addresses count by /64, and IPv4-mapped ones as IPv4', async t => {
  for (const [first, second, other] of [
    ['2001:db8::1', '2001:db8::ffff:0:1', '2001:db8:0:1::1'], ['::ffff:192.0.2.1', '192.0.2.1', '192.0.2.2']
  ] as const) {
    const { answers, ask } = make(t)
    for (let i = 0; i < 3; i++) await ask(`bad ${i}`, 'inactive', client(i === 0 ? first : second).who)
    t.throws(() => answers.ask('x', client(first).who), TOO_MANY)
    t.equal(await ask('x', ALICE, client(other).who), ALICE)
  }
})

t.test('the number of remembered tokens is bounded', async t => {
  const { answers, ask, clock } = make(t, { rememberedTokens: 1, cacheTtl: 0, refusalRate: { perSecond: 1, burst: 1 } })
  const { who } = client('192.0.2.1')
  await ask('a', ALICE, who)
  await ask('b', ALICE, who)
  await ask('bad', 'inactive', who)
  t.equal(await ask('b', ALICE, who), ALICE)
  t.throws(() => answers.ask('a', who), TOO_MANY)
  answers.clear()
  t.throws(() => answers.ask('b', who), TOO_MANY)
  clock.now += 1_000
  t.equal(await ask('a', ALICE, who), ALICE)
})

t.test('re-checks wait for no address, and share what is asked already', async t => {
  const { answers, inquiry, questions, stats } = make(t, { concurrency: 4, pendingPerAddress: 1 })
  const { who } = client('192.0.2.1')
  const pending = [answers.ask('a', who), answers.ask('a', () => recheckOf('alice')), answers.ask('b', () => recheckOf('alice')), answers.ask('c', () => recheckOf('alice'))]
  t.equal(stats.shared, 1)
  t.equal(inquiry.pending, 3)
  await t.rejects(async () => await answers.ask('d', who), { code: 'WSA_INTROSPECT_ERR_TOO_MANY_PENDING', statusCode: 429, headers: { 'retry-after': '1' } })
  t.equal(stats.limited, 1)
  await until(() => {
    for (const { answer } of questions) answer(ALICE)
    return questions.length === 3
  })
  t.same(await Promise.all(pending), [ALICE, ALICE, ALICE, ALICE])
})

t.test('no client has the party of a re-check as its address: no header can have it', async t => {
  for (const subject of ['alice', '', '192.0.2.1']) {
    t.throws(() => validateHeaderValue('x-forwarded-for', recheckOf(subject).party), { code: 'ERR_INVALID_CHAR' })
  }
})

t.test('each one who waits has a deadline of its own', async t => {
  const { answers, questions, clock, inquiry, stats } = make(t, { concurrency: 1 })
  const hangs = answers.ask('hangs', nobody) as Promise<Verdict>
  clock.now += 300
  const waits = answers.ask('waits', nobody) as Promise<Verdict>
  clock.now += 300
  const joins = answers.ask('waits', nobody) as Promise<Verdict>
  t.equal(inquiry.pending, 2)
  clock.now += 400
  await t.rejects(hangs, { code: 'WSA_INTROSPECT_ERR_UNAVAILABLE', cause: { message: 'No answer within 1000 ms' } })
  await until(() => questions.length === 2)
  t.equal(questions[0]?.signal.aborted, true)
  clock.now += 300
  await t.rejects(waits, { code: 'WSA_INTROSPECT_ERR_UNAVAILABLE' })
  t.equal(questions[1]?.signal.aborted, false, 'somebody has time left')
  questions[1]?.answer(ALICE)
  t.equal(await joins, ALICE)
  t.match(stats, { asked: 2, failed: 1, busy: 0 })
})

t.test('who gets no turn in time is told so, and that is no failure of the authority', async t => {
  const { answers, questions, clock, inquiry, stats, log } = make(t, { concurrency: 1 })
  const slow = answers.ask('slow', nobody) as Promise<Verdict>
  clock.now += 100
  const waits = answers.ask('waits', nobody) as Promise<Verdict>
  const late = answers.ask('late', nobody) as Promise<Verdict>
  clock.now += 700
  questions[0]?.answer(ALICE)
  t.equal(await slow, ALICE)
  await until(() => questions.length === 2)
  // Both had 300 ms left when the first of them was asked.
  clock.now += 300
  await t.rejects(waits, { code: 'WSA_INTROSPECT_ERR_UNAVAILABLE' })
  await t.rejects(late, { code: 'WSA_INTROSPECT_ERR_BUSY', statusCode: 503, headers: { 'retry-after': '1' } })
  await until(() => inquiry.pending === 0)
  t.equal(questions[1]?.signal.aborted, true)
  t.match(stats, { asked: 2, failed: 1, busy: 1 })
  t.strictSame(log.entries, [])
})

t.test('a question is withdrawn when its last client leaves, unless it was asked', async t => {
  const { answers, questions, inquiry, clock } = make(t, { concurrency: 1 })
  const [first, second, third] = [client('192.0.2.1'), client('192.0.2.2'), client('192.0.2.3')]
  const LEFT = { code: 'WSA_INTROSPECT_ERR_CLIENT_LEFT', statusCode: 400 }
  const all = [
    t.rejects(answers.ask('asked', first.who) as Promise<Verdict>, LEFT), t.rejects(answers.ask('waits', first.who) as Promise<Verdict>, LEFT),
    t.rejects(answers.ask('waits', second.who) as Promise<Verdict>, LEFT), t.rejects(answers.ask('stays', first.who) as Promise<Verdict>, LEFT)
  ]
  const stays = answers.ask('stays', third.who)
  t.equal(inquiry.pending, 3)
  t.equal(first.socket.listenerCount('close'), 1, 'one listener for all')
  first.leave()
  await Promise.all([all[0], all[1], all[3]])
  t.equal(inquiry.pending, 3)
  second.leave()
  await all[2]
  t.equal(inquiry.pending, 2)
  t.equal(questions[0]?.signal.aborted, false)
  t.throws(() => answers.ask('more', first.who), LEFT)
  questions[0]?.answer(ALICE)
  await until(() => questions.length === 2)
  questions[1]?.answer(ALICE)
  t.equal(await stays, ALICE)
  t.strictSame(questions.map(({ token }) => token), ['asked', 'stays'])
  t.equal(answers.ask('asked', nobody), ALICE, 'the answer is cached')
  t.equal(inquiry.deadlines.size, 0)
  for (const { socket } of [first, second, third]) t.strictSame(socket.eventNames(), [])
  clock.now += 10_000
})

t.test('a question that is doubted is not repeated for nobody', async t => {
  const { answers, questions, inquiry } = make(t)
  const { who, leave } = client('192.0.2.1')
  const left = t.rejects(answers.ask('a', who) as Promise<Verdict>, { code: 'WSA_INTROSPECT_ERR_CLIENT_LEFT' })
  leave()
  await left
  answers.forget('alice')
  questions[0]?.answer(ALICE)
  await until(() => inquiry.pending === 0)
  t.equal(questions.length, 1)
  t.equal(answers.size, 0)
})

t.test('over HTTP/2 a stream may close, and others of its socket stay', async t => {
  const { answers, questions, inquiry } = make(t, { concurrency: 1 })
  const socket = new EventEmitter()
  const [one, two] = [new EventEmitter(), new EventEmitter()]
  const who = (stream: EventEmitter) => () => clientOf({ ip: '192.0.2.1', raw: { stream, socket } } as never)
  const first = answers.ask('a', who(one))
  const left = t.rejects(answers.ask('b', who(two)) as Promise<Verdict>, { code: 'WSA_INTROSPECT_ERR_CLIENT_LEFT' })
  two.emit('close')
  await left
  t.equal(inquiry.pending, 1)
  questions[0]?.answer(ALICE)
  t.equal(await first, ALICE)
})
