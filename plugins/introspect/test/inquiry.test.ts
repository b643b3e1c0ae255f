import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { inspect } from 'node:util'
import t, { type Test } from 'tap'
import { type Ask, Inquiry, type InquirySettings } from '../src/inquiry.js'
import { createStats, fakeLog, until } from './helpers.js'

const ALICE = { subject: 'alice', claims: {}, expiresAt: null }

function make (t: Test, ask: Ask, options: Partial<InquirySettings> = {}) {
  const stats = createStats()
  const log = fakeLog()
  const inquiry = new Inquiry({ ask, timeout: 60_000, concurrency: 5, maxPending: 10, circuitBreaker: null, stats, log, ...options })
  // The inquiry's own timer does not keep the process alive.
  const alive = setInterval(() => {}, 1_000)
  t.teardown(() => {
    clearInterval(alive)
    inquiry.close()
  })
  return { inquiry, stats, log }
}

t.test('verdicts are passed on and counted', async t => {
  const { inquiry, stats, log } = make(t, async token => token === 'good' ? ALICE : 'inactive')
  t.equal(await inquiry.ask('good'), ALICE)
  t.equal(await inquiry.ask('bad'), 'inactive')
  t.match(stats, { asked: 2, refused: 1, failed: 0, busy: 0 })
  t.equal(inquiry.pending, 0)
  t.strictSame(log.entries, [])
})

t.test('a deadline ends the question and its signal; a later answer is ignored', async t => {
  let signal: AbortSignal | undefined
  let late: (verdict: 'inactive') => void = () => {}
  const { inquiry, stats } = make(t, (_token, given) => {
    signal = given
    return new Promise(resolve => { late = resolve })
  }, { timeout: 50 })
  const start = performance.now()
  await t.rejects(inquiry.ask('a'), {
    code: 'WSA_INTROSPECT_ERR_UNAVAILABLE', statusCode: 503, retryAfter: 1, headers: { 'retry-after': '1' }, cause: { message: 'No answer within 50 ms' }
  })
  t.ok(performance.now() - start >= 50)
  t.equal(signal?.aborted, true)
  t.equal(inquiry.pending, 0)
  late('inactive')
  t.match(stats, { asked: 1, failed: 1, refused: 0 })
})

t.test('at most maxPending questions wait', async t => {
  const waiting: Array<() => void> = []
  const { inquiry, stats, log } = make(t, () => new Promise(resolve => { waiting.push(() => resolve(ALICE)) }), { maxPending: 2 })
  const two = [inquiry.ask('a'), inquiry.ask('b')]
  t.equal(inquiry.pending, 2)
  await t.rejects(inquiry.ask('c'), { code: 'WSA_INTROSPECT_ERR_BUSY', statusCode: 503, retryAfter: 1, headers: { 'retry-after': '1' } })
  t.match(stats, { asked: 2, busy: 1 })
  for (const finish of waiting) finish()
  await Promise.all(two)
  const third = inquiry.ask('c')
  waiting.at(-1)?.()
  t.equal(await third, ALICE)
  t.strictSame(log.entries, [], 'that is not the authority\'s fault')
})

t.test('at most concurrency questions are asked at once, the others in turn', async t => {
  const asked: string[] = []
  const finish: Array<() => void> = []
  const { inquiry } = make(t, token => new Promise(resolve => {
    asked.push(token)
    finish.push(() => resolve(ALICE))
  }), { concurrency: 2 })
  const all = ['a', 'b', 'c', 'd'].map(async token => await inquiry.ask(token))
  t.strictSame(asked, ['a', 'b'])
  t.equal(inquiry.pending, 4)
  finish[1]?.()
  await all[1]
  await until(() => asked.length === 3)
  t.strictSame(asked, ['a', 'b', 'c'])
  finish[0]?.()
  finish[2]?.()
  await until(() => asked.length === 4)
  finish[3]?.()
  t.same(await Promise.all(all), [ALICE, ALICE, ALICE, ALICE])
  t.equal(inquiry.pending, 0)
})

/** Makes an inquiry with one question at a time, on a clock that only the test moves. The token `hangs` is never answered. */
function makeHanging (t: Test) {
  const clock = { now: 0 }
  const asked: string[] = []
  const { inquiry } = make(t, async token => {
    asked.push(token)
    return token === 'hangs' ? await new Promise(() => {}) : ALICE
  }, { concurrency: 1, timeout: 100, now: () => clock.now })
  return { inquiry, clock, asked }
}

t.test('a question that times out while it waits is never asked, and the next ones get their turn', async t => {
  const { inquiry, clock, asked } = makeHanging(t)
  const hangs = t.rejects(inquiry.ask('hangs'))
  const waits = t.rejects(inquiry.ask('waits'), { cause: { message: 'No answer within 100 ms' } })
  clock.now += 100
  await Promise.all([hangs, waits])
  t.strictSame(asked, ['hangs'])
  t.equal(await inquiry.ask('next'), ALICE)
})

t.test('a question that has time left when its turn comes is asked', async t => {
  const { inquiry, clock, asked } = makeHanging(t)
  const hangs = t.rejects(inquiry.ask('hangs'))
  clock.now += 10
  const waits = inquiry.ask('waits')
  clock.now += 90
  await hangs
  t.equal(await waits, ALICE)
  t.strictSame(asked, ['hangs', 'waits'])
})

t.test('waiting questions are not asked after close', async t => {
  const asked: string[] = []
  const { inquiry } = make(t, async token => {
    asked.push(token)
    return await new Promise(() => {})
  }, { concurrency: 1 })
  const both = ['a', 'b'].map(async token => await t.rejects(inquiry.ask(token), { cause: { message: 'The server is closing' } }))
  inquiry.close()
  await Promise.all(both)
  t.strictSame(asked, ['a'])
})

t.test('the begin and the end of an outage are logged once each', async t => {
  let away = true
  const { inquiry, log } = make(t, async () => {
    if (away) throw new Error('ECONNREFUSED')
    return 'inactive'
  })
  for (let i = 0; i < 3; i++) await t.rejects(inquiry.ask('a'), { cause: { message: 'ECONNREFUSED' } })
  away = false
  for (let i = 0; i < 3; i++) await inquiry.ask('a')
  away = true
  await t.rejects(inquiry.ask('a'))
  t.match(log.entries, [
    { level: 'error', text: 'the authority cannot be asked about tokens', err: { message: 'ECONNREFUSED' } },
    { level: 'info', text: 'the authority answers for tokens again' },
    { level: 'error' }
  ])
  t.equal(log.entries.length, 3)
})

t.test('an error that shows the token is withheld', async t => {
  const token = 'secret token/+'
  for (const error of [
    new Error(`no luck with ${token}`),
    new Error('outer', { cause: new Error(`GET /?token=${encodeURIComponent(token)}`) }),
    Object.assign(new Error('outer'), { request: { headers: { authorization: `Bearer ${token}` } } }),
    `thrown text ${token}`
  ]) {
    const { inquiry, log } = make(t, async () => { throw error })
    const thrown = await inquiry.ask(token).catch(error => error)
    t.equal(thrown.code, 'WSA_INTROSPECT_ERR_UNAVAILABLE')
    t.match(thrown.cause, { message: 'The error is withheld because it shows the token' })
    t.notMatch(inspect([thrown, log.entries], { depth: 9 }), /secret token|secret%20token/)
  }
})

t.test('a circuit breaker leaves a failing authority alone, and tries again', async t => {
  let away = true
  const { inquiry, stats, log } = make(t, async () => {
    if (away) throw new Error('away')
    return ALICE
  }, { circuitBreaker: { errorThresholdPercentage: 50, volumeThreshold: 3, resetTimeout: 50 } })
  for (let i = 0; i < 3; i++) await t.rejects(inquiry.ask('a'), { cause: { message: 'away' } })
  await t.rejects(inquiry.ask('a'), { code: 'WSA_INTROSPECT_ERR_UNAVAILABLE', cause: { code: 'EOPENBREAKER' } })
  t.equal(stats.asked, 3, 'not asked')
  away = false
  await until(async () => await inquiry.ask('a').then(() => true, () => false))
  t.equal(await inquiry.ask('b'), ALICE)
  t.equal(log.entries.length, 2, 'begin and end of the outage, once each')
})

t.test('a breaker counts a refusal as an answer', async t => {
  const { inquiry, stats } = make(t, async () => 'inactive', {
    circuitBreaker: { errorThresholdPercentage: 1, volumeThreshold: 1, resetTimeout: 60_000 }
  })
  for (let i = 0; i < 20; i++) t.equal(await inquiry.ask(String(i)), 'inactive')
  t.equal(stats.asked, 20)
})

t.test('close ends questions under way and logs nothing', async t => {
  for (const circuitBreaker of [null, { errorThresholdPercentage: 50, volumeThreshold: 3, resetTimeout: 50 }]) {
    const signals: AbortSignal[] = []
    const { inquiry, log } = make(t, async (_token, signal) => {
      signals.push(signal)
      return await new Promise(() => {})
    }, { circuitBreaker })
    const pending = t.rejects(inquiry.ask('a'), { code: 'WSA_INTROSPECT_ERR_UNAVAILABLE', cause: { message: 'The server is closing' } })
    inquiry.close()
    await pending
    t.equal(signals[0]?.aborted, true)
    await t.rejects(inquiry.ask('b'), { code: 'WSA_INTROSPECT_ERR_UNAVAILABLE' })
    t.equal(signals.length, 1)
    t.equal(inquiry.pending, 0)
    t.strictSame(log.entries, [])
  }
})

t.test('each question is published on airlock:introspect:ask', async t => {
  const events: unknown[] = []
  const listener = (event: unknown) => { events.push(event) }
  subscribe('airlock:introspect:ask', listener)
  t.teardown(() => unsubscribe('airlock:introspect:ask', listener))
  const { inquiry } = make(t, async token => {
    if (token === 'x') throw new Error('away')
    return token === 'a' ? ALICE : 'wrong audience'
  })
  await inquiry.ask('a')
  await inquiry.ask('b')
  await t.rejects(inquiry.ask('x'))
  t.match(events, [
    { outcome: 'active', duration: Number }, { outcome: 'wrong audience', duration: Number }, { outcome: 'failed', duration: Number }
  ])
})
