import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { inspect } from 'node:util'
import t, { type Test } from 'tap'
import { Inquiry, type InquirySettings } from '../src/inquiry.js'
import type { Ask, Origin } from '../src/question.js'
import type { Verdict } from '../src/verdict.js'
import { createStats, fakeLog, until } from './helpers.js'

const ALICE = { subject: 'alice', claims: {}, expiresAt: null }

function make (t: Test, ask: Ask, options: Partial<InquirySettings> = {}) {
  const stats = createStats()
  const log = fakeLog()
  const inquiry = new Inquiry({
    ask, timeout: 60_000, concurrency: 5, maxPending: 10, pendingPerAddress: 10, circuitBreaker: null, stats, log, ...options
  })
  // The inquiry's own timer does not keep the process alive.
  const alive = setInterval(() => {}, 1_000)
  t.teardown(() => {
    clearInterval(alive)
    inquiry.close()
  })
  /** Asks for somebody without an address, unless a party is named. */
  const asking = async (token: string, party = '', origin: Partial<Origin> = {}): Promise<Verdict> =>
    await inquiry.ask(token, { party, isKnown: false, isBounded: party !== '', ...origin }).verdict
  return { inquiry, stats, log, asking }
}

t.test('verdicts are passed on and counted', async t => {
  const { inquiry, asking, stats, log } = make(t, async token => token === 'good' ? ALICE : 'inactive')
  t.equal(await asking('good'), ALICE)
  t.equal(await asking('bad'), 'inactive')
  t.match(stats, { asked: 2, refused: 1, failed: 0, busy: 0 })
  t.equal(inquiry.pending, 0)
  t.strictSame(log.entries, [])
})

t.test('a deadline ends the question and its signal; a later answer is ignored', async t => {
  let signal: AbortSignal | undefined
  let late: (verdict: 'inactive') => void = () => {}
  const { inquiry, asking, stats } = make(t, (_token, given) => {
    signal = given
    return new Promise(resolve => { late = resolve })
  }, { timeout: 50 })
  const start = performance.now()
  await t.rejects(asking('a'), {
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
  const { inquiry, asking, stats, log } = make(t, () => new Promise(resolve => { waiting.push(() => resolve(ALICE)) }), { maxPending: 2 })
  const two = [asking('a'), asking('b')]
  t.equal(inquiry.pending, 2)
  await t.rejects(asking('c'), { code: 'WSA_INTROSPECT_ERR_BUSY', statusCode: 503, retryAfter: 1, headers: { 'retry-after': '1' } })
  t.match(stats, { asked: 2, busy: 1 })
  for (const finish of waiting) finish()
  await Promise.all(two)
  const third = asking('c')
  waiting.at(-1)?.()
  t.equal(await third, ALICE)
  t.strictSame(log.entries, [], 'that is not the authority\'s fault')
})

/** Makes an inquiry whose questions the test answers; `asked` are those under way, in order. */
function makeManual (t: Test, options: Partial<InquirySettings> = {}) {
  const asked: string[] = []
  const finish = new Map<string, () => void>()
  const made = make(t, token => new Promise(resolve => {
    asked.push(token)
    finish.set(token, () => resolve(ALICE))
  }), { maxPending: 1_000, pendingPerAddress: 100, ...options })
  /** Answers questions, and waits until others have their turns. */
  const answer = async (...tokens: string[]) => {
    for (const token of tokens) {
      finish.get(token)?.()
      asked.splice(asked.indexOf(token), 1)
    }
    await new Promise(resolve => setImmediate(resolve))
  }
  return { ...made, asked, answer }
}

t.test('at most concurrency questions are asked at once, the others in turn; known tokens have a lane of their own', async t => {
  for (const [concurrency, most, all] of [[1, 1, 1], [2, 1, 2], [3, 2, 3], [4, 3, 4], [8, 6, 8], [16, 12, 16]] as const) {
    const { asking, asked, answer, inquiry } = makeManual(t, { concurrency })
    const strangers = Array.from({ length: 40 }, async (_, i) => await asking(`stranger ${i}`))
    t.strictSame(asked, Array.from({ length: most }, (_, i) => `stranger ${i}`), 'strangers leave a part')
    const known = Array.from({ length: 40 }, async (_, i) => await asking(`known ${i}`, '', { isKnown: true }))
    t.equal(asked.length, all)
    t.equal(inquiry.pending, 80)
    for (let i = 0; i < 80; i++) {
      await answer(asked[0] as string)
      t.ok(asked.length <= all)
      if (all > 1) t.ok(asked.filter(token => token.startsWith('known')).length <= most)
    }
    t.same(new Set(await Promise.all([...strangers, ...known])), new Set([ALICE]))
    t.equal(inquiry.pending, 0)
  }
})

t.test('an address may have so many questions, known ones apart', async t => {
  const { asking, asked, answer, stats, inquiry } = makeManual(t, { concurrency: 16, pendingPerAddress: 3 })
  const all = ['a', 'b', 'c'].map(async token => await asking(token, '192.0.2.1'))
  await t.rejects(asking('d', '192.0.2.1'), { code: 'WSA_INTROSPECT_ERR_TOO_MANY_PENDING', statusCode: 429, headers: { 'retry-after': '1' } })
  all.push(asking('other', '192.0.2.2'))
  for (const token of ['k1', 'k2', 'k3']) all.push(asking(token, '192.0.2.1', { isKnown: true }))
  await t.rejects(asking('k4', '192.0.2.1', { isKnown: true }), { code: 'WSA_INTROSPECT_ERR_TOO_MANY_PENDING' })
  for (let i = 0; i < 5; i++) all.push(asking(`recheck ${i}`, 'subject alice', { isKnown: true, isBounded: false }), asking(`no address ${i}`))
  t.equal(stats.limited, 2)
  await answer('a')
  all.push(asking('d', '192.0.2.1'))
  while (asked.length > 0) await answer(...asked)
  await Promise.all(all)
  t.equal(inquiry.pending, 0)
})

t.test('when there is no room, the address with the most waiting loses its oldest', async t => {
  const { asking, asked, answer, stats, inquiry } = makeManual(t, { concurrency: 4, maxPending: 8 })
  const lost: string[] = []
  const ask = async (token: string, party: string, origin: Partial<Origin> = {}) => {
    await asking(token, party, origin).catch(error => {
      t.equal(error.code, 'WSA_INTROSPECT_ERR_BUSY')
      lost.push(token)
    })
  }
  const all = Array.from({ length: 8 }, async (_, i) => await ask(`flood ${i}`, '192.0.2.1'))
  t.strictSame(asked, ['flood 0', 'flood 1'])
  all.push(ask('good 0', '192.0.2.2'), ask('good 1', '192.0.2.2'), ask('good 2', '192.0.2.2'), ask('good 3', '192.0.2.2'))
  await answer()
  t.strictSame(lost, ['good 3', 'flood 2', 'flood 3', 'flood 4'].sort((a, b) => lost.indexOf(a) - lost.indexOf(b)))
  t.equal(stats.busy, 4)
  all.push(ask('known 0', '192.0.2.3', { isKnown: true }), ask('known 1', '192.0.2.3', { isKnown: true }))
  await answer()
  t.equal(lost.length, 6)
  t.equal(inquiry.pending, 8)
  while (asked.length > 0) await answer(...asked)
  await Promise.all(all)
  t.notMatch(lost.join(), /known/)
})

t.test('known tokens make room for each other', async t => {
  const { asking, asked, answer, stats } = makeManual(t, { concurrency: 1, maxPending: 4 })
  const outcomes = ['a', 'b', 'c', 'd'].map(async token => await asking(token, '192.0.2.1', { isKnown: true }).then(() => token, error => error.code))
  const other = asking('other', '192.0.2.2', { isKnown: true })
  const another = asking('another', '192.0.2.2', { isKnown: true }).catch(error => error.code)
  while (asked.length > 0) await answer(...asked)
  t.same(await Promise.all(outcomes), ['a', 'WSA_INTROSPECT_ERR_BUSY', 'c', 'd'])
  t.equal(await other, ALICE)
  t.equal(await another, 'WSA_INTROSPECT_ERR_BUSY')
  t.equal(stats.busy, 2)
})

t.test('the time of a question starts when it is asked', async t => {
  const clock = { now: 0 }
  const asked: string[] = []
  const { inquiry, asking } = make(t, async token => {
    asked.push(token)
    return await new Promise(() => {})
  }, { concurrency: 1, timeout: 100, now: () => clock.now })
  const first = t.rejects(asking('first'), { cause: { message: 'No answer within 100 ms' } })
  const question = inquiry.ask('second', { party: '', isKnown: false, isBounded: false })
  const second = t.rejects(question.verdict, { cause: { message: 'No answer within 100 ms' } })
  clock.now += 90
  inquiry.prolong(question)
  clock.now += 10
  await first
  await until(() => asked.length === 2)
  clock.now += 90
  inquiry.deadlines.tick()
  t.equal(inquiry.pending, 1)
  clock.now += 10
  await second
})

t.test('a question is not asked if the usual time of an answer is not left, and at least half of its time is asked for', async t => {
  for (const [usual, waited, isAsked] of [[100, 700, true], [100, 950, false], [900, 450, true], [900, 550, false]] as const) {
    const clock = { now: 0 }
    const answer = new Map<string, () => void>()
    const { asking, stats } = make(t, token => new Promise(resolve => { answer.set(token, () => resolve(ALICE)) }), {
      concurrency: 1, timeout: 1_000, now: () => clock.now
    })
    for (let i = 0; i < 100; i++) {
      const pending = asking(`token ${i}`)
      clock.now += usual
      answer.get(`token ${i}`)?.()
      await pending
    }
    const first = asking('first')
    const second = asking('second').catch(error => error.code)
    clock.now += waited
    answer.get('first')?.()
    await first
    if (isAsked) {
      await until(() => answer.has('second'))
      answer.get('second')?.()
      t.equal(await second, ALICE)
    } else {
      t.equal(await second, 'WSA_INTROSPECT_ERR_BUSY')
      t.equal(stats.busy, 1)
    }
  }
})

t.test('a question that nobody has time for ends: the fault of the authority only if it is silent', async t => {
  for (const isSilent of [true, false]) {
    const clock = { now: 0 }
    const answer = new Map<string, () => void>()
    const signals: AbortSignal[] = []
    const { inquiry, asking, stats, log } = make(t, (token, signal) => new Promise(resolve => {
      signals.push(signal)
      answer.set(token, () => resolve(ALICE))
    }), {
      concurrency: 1, timeout: 1_000, now: () => clock.now, circuitBreaker: { errorThresholdPercentage: 50, volumeThreshold: 2, resetTimeout: 600_000 }
    })
    const first = asking('first').catch(() => {})
    await until(() => answer.size === 1)
    clock.now += 500
    const question = inquiry.ask('late', { party: '', isKnown: false, isBounded: false })
    t.notOk(question.isAsked)
    if (!isSilent) answer.get('first')?.()
    clock.now += 500
    await until(() => answer.size === 2)
    t.ok(question.isAsked)
    clock.now += 400
    const ended = t.rejects(question.verdict, {
      code: 'WSA_INTROSPECT_ERR_UNAVAILABLE', cause: { message: isSilent ? 'No answer within 1000 ms' : 'The question waited too long for its turn' }
    })
    inquiry.giveUp(question)
    await Promise.all([ended, first])
    t.equal(signals[1]?.aborted, true)
    t.equal(log.entries.length, isSilent ? 1 : 0)
    t.match(stats, { asked: 2, failed: isSilent ? 2 : 1 })
    const next = asking('next').catch(error => error.cause.code)
    if (!isSilent) {
      await until(() => answer.has('next'))
      answer.get('next')?.()
    }
    t.equal(await next, isSilent ? 'EOPENBREAKER' : ALICE)
  }
})

t.test('waiting questions are not asked after close', async t => {
  const asked: string[] = []
  const { inquiry, asking } = make(t, async token => {
    asked.push(token)
    return await new Promise(() => {})
  }, { concurrency: 1 })
  const both = ['a', 'b'].map(async token => await t.rejects(asking(token), { cause: { message: 'The server is closing' } }))
  inquiry.close()
  await Promise.all(both)
  t.strictSame(asked, ['a'])
})

t.test('the begin and the end of an outage are logged once each', async t => {
  let away = true
  const { asking, log } = make(t, async () => {
    if (away) throw new Error('ECONNREFUSED')
    return 'inactive'
  })
  for (let i = 0; i < 3; i++) await t.rejects(asking('a'), { cause: { message: 'ECONNREFUSED' } })
  away = false
  for (let i = 0; i < 3; i++) await asking('a')
  away = true
  await t.rejects(asking('a'))
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
    const { asking, log } = make(t, async () => { throw error })
    const thrown = await asking(token).catch(error => error)
    t.equal(thrown.code, 'WSA_INTROSPECT_ERR_UNAVAILABLE')
    t.match(thrown.cause, { message: 'The error is withheld because it shows the token' })
    t.notMatch(inspect([thrown, log.entries], { depth: 9 }), /secret token|secret%20token/)
  }
})

t.test('a circuit breaker leaves a failing authority alone, and tries again', async t => {
  let away = true
  const { asking, stats, log } = make(t, async () => {
    if (away) throw new Error('away')
    return ALICE
  }, { circuitBreaker: { errorThresholdPercentage: 50, volumeThreshold: 3, resetTimeout: 50 } })
  for (let i = 0; i < 3; i++) await t.rejects(asking('a'), { cause: { message: 'away' } })
  await t.rejects(asking('a'), { code: 'WSA_INTROSPECT_ERR_UNAVAILABLE', cause: { code: 'EOPENBREAKER' } })
  t.equal(stats.asked, 3, 'not asked')
  away = false
  await until(async () => await asking('a').then(() => true, () => false))
  t.equal(await asking('b'), ALICE)
  t.equal(log.entries.length, 2, 'begin and end of the outage, once each')
})

/** A breaker that opens at the third failure and tries nothing again in the time of a test. */
const BREAKER = { errorThresholdPercentage: 50, volumeThreshold: 3, resetTimeout: 600_000 }

t.test('an open breaker stops an address that has failed, and everybody if a known token fails', async t => {
  const clock = { now: 0 }
  const { asking, stats } = make(t, async token => {
    if (token.startsWith('bad')) throw new Error('away')
    return ALICE
  }, { circuitBreaker: BREAKER, now: () => clock.now })
  const known = { isKnown: true }
  const STOPPED = { code: 'WSA_INTROSPECT_ERR_UNAVAILABLE', cause: { code: 'EOPENBREAKER' } }
  for (let i = 0; i < 3; i++) await t.rejects(asking('bad', '192.0.2.1'), { cause: { message: 'away' } })
  t.equal(stats.asked, 3)
  await t.rejects(asking('good', '192.0.2.1'), STOPPED)
  t.equal(stats.asked, 3)
  t.equal(await asking('good', '192.0.2.2'), ALICE, 'another address')
  t.equal(await asking('good', '192.0.2.1', known), ALICE, 'a token that was good before')
  t.equal(await asking('good'), ALICE)
  await t.rejects(asking('bad', '192.0.2.2'), { cause: { message: 'away' } })
  await t.rejects(asking('good', '192.0.2.2'), STOPPED)
  await t.rejects(asking('bad', '192.0.2.3', known), { cause: { message: 'away' } })
  for (const party of ['192.0.2.1', '192.0.2.4', '']) {
    await t.rejects(asking('good', party), STOPPED)
    await t.rejects(asking('good', party, known), STOPPED)
  }
  clock.now += 10_000
  t.equal(await asking('good', '192.0.2.1'), ALICE, 'ten seconds later it may ask again')
})

t.test('no client can pass for the known tokens, whatever it is believed to be its address', async t => {
  const { asking } = make(t, async token => {
    if (token.startsWith('bad')) throw new Error('away')
    return ALICE
  }, { circuitBreaker: BREAKER, now: () => 0 })
  for (const party of ['known', 'KNOWN', 'undefined', '__proto__', 'subject alice']) {
    for (let i = 0; i < 3; i++) await asking('bad', party).catch(() => {})
  }
  t.equal(await asking('good', '192.0.2.1', { isKnown: true }), ALICE)
  t.equal(await asking('good', '192.0.2.2'), ALICE)
})

t.test('a breaker that opens meanwhile stops what waits, at once', async t => {
  const fail: Array<() => void> = []
  const { asking, stats, inquiry } = make(t, () => new Promise((_resolve, reject) => { fail.push(() => reject(new Error('away'))) }), {
    circuitBreaker: BREAKER, concurrency: 4
  })
  const outcomes = Array.from({ length: 8 }, async (_, i) => await asking(String(i)).catch(error => error.cause.code ?? error.cause.message))
  await until(() => fail.length === 3)
  for (const each of fail) each()
  t.same(await Promise.all(outcomes), ['away', 'away', 'away', ...new Array(5).fill('EOPENBREAKER')])
  t.equal(stats.asked, 3)
  t.equal(inquiry.pending, 0)
})

t.test('waiting for a turn opens no breaker', async t => {
  const clock = { now: 0 }
  const answer: Array<() => void> = []
  const { inquiry, asking, stats } = make(t, () => new Promise(resolve => { answer.push(() => resolve('inactive')) }), {
    circuitBreaker: { ...BREAKER, errorThresholdPercentage: 1, volumeThreshold: 1 }, concurrency: 4, timeout: 1_000, now: () => clock.now, maxPending: 100
  })
  const questions = Array.from({ length: 30 }, (_, i) => inquiry.ask(String(i), { party: '', isKnown: false, isBounded: false }))
  const ended = questions.map(async ({ verdict }) => await verdict.catch(error => error.code))
  for (let i = 0; i < 3; i++) {
    await until(() => answer.length === 3)
    clock.now += 300
    for (const each of answer.splice(0)) each()
  }
  const outcomes = await Promise.all(ended)
  t.same(new Set(outcomes.slice(0, 9)), new Set(['inactive']))
  t.same(new Set(outcomes.slice(9)), new Set(['WSA_INTROSPECT_ERR_BUSY']))
  t.match(stats, { asked: 9, refused: 9, failed: 0, busy: 21 })
  const next = asking('next')
  await until(() => answer.length === 1)
  answer[0]?.()
  t.equal(await next, 'inactive')
})

t.test('a breaker counts a refusal as an answer', async t => {
  const { asking, stats } = make(t, async () => 'inactive', {
    circuitBreaker: { errorThresholdPercentage: 1, volumeThreshold: 1, resetTimeout: 60_000 }
  })
  for (let i = 0; i < 20; i++) t.equal(await asking(String(i)), 'inactive')
  t.equal(stats.asked, 20)
})

t.test('close ends questions under way and logs nothing', async t => {
  for (const circuitBreaker of [null, { errorThresholdPercentage: 50, volumeThreshold: 3, resetTimeout: 50 }]) {
    const signals: AbortSignal[] = []
    const { inquiry, asking, log } = make(t, async (_token, signal) => {
      signals.push(signal)
      return await new Promise(() => {})
    }, { circuitBreaker })
    const pending = t.rejects(asking('a'), { code: 'WSA_INTROSPECT_ERR_UNAVAILABLE', cause: { message: 'The server is closing' } })
    inquiry.close()
    await pending
    t.equal(signals[0]?.aborted, true)
    await t.rejects(asking('b'), { code: 'WSA_INTROSPECT_ERR_UNAVAILABLE' })
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
  const { asking } = make(t, async token => {
    if (token === 'x') throw new Error('away')
    return token === 'a' ? ALICE : 'wrong audience'
  })
  await asking('a')
  await asking('b')
  await t.rejects(asking('x'))
  t.match(events, [
    { outcome: 'active', duration: Number }, { outcome: 'wrong audience', duration: Number }, { outcome: 'failed', duration: Number }
  ])
})
