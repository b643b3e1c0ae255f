import t, { type Test } from 'tap'
import { fault } from '../src/errors.js'
import { createRetryPolicy, type RetrySettings } from '../src/retry-policy.js'
import { clock } from './helpers.js'

const settings = { reconnect: undefined, attempts: Infinity, min: 8, max: 100, random: () => 0.5 }
const later = fault('UNREACHABLE')
const atOnce = fault('UNREACHABLE', '', { retry: 'ticket' })
const never = fault('FORBIDDEN')
const restart = fault('UNREACHABLE', '', { closeCode: 1012, wait: 1_000 })

function build (t: Test, options: Partial<RetrySettings> = {}) {
  const time = clock(t)
  const policy = createRetryPolicy({ ...settings, ...options })
  return {
    policy,
    /** Opens, and loses the connection after `life` milliseconds. */
    lose (life: number, error = later): number | undefined {
      policy.open()
      time.ahead += life
      return policy.fail(error)
    }
  }
}

t.test('waits double up to the ceiling', async t => {
  const { policy } = build(t)
  t.same([1, 2, 3, 4, 5, 6].map(() => policy.fail(later)), [4, 8, 16, 32, 50, 50])
})

t.test('counts failures until a connection opens', async t => {
  const { policy, lose } = build(t)
  policy.fail(later)
  policy.fail(later)
  t.equal(policy.attempts, 2)
  lose(0)
  t.equal(policy.attempts, 0, 'the end of an open connection is no failed attempt')
  policy.fail(later)
  t.equal(policy.attempts, 1)
})

t.test('retries at once when a new ticket may help, but only once', async t => {
  const { policy } = build(t)
  t.same([1, 2, 3].map(() => policy.fail(atOnce)), [0, 4, 8])
})

t.test('starts over after a connection that stayed open for 30 s', async t => {
  const { lose } = build(t)
  t.equal(lose(0, atOnce), 0)
  t.equal(lose(29_000, atOnce), 4)
  t.equal(lose(0), 8)
  t.equal(lose(30_000, atOnce), 0)
  t.equal(lose(0), 4)
})

t.test('stops', async t => {
  t.equal(build(t).policy.fail(never), undefined, 'when another attempt would fail in the same way')
  t.equal(build(t, { reconnect: false }).policy.fail(later), undefined, 'when told not to reconnect')
  const { policy } = build(t, { attempts: 2 })
  t.equal(policy.fail(later), 4)
  t.equal(policy.fail(later), undefined, 'after so many attempts')
})

t.test('waits at least as long as the server asks', async t => {
  const { policy } = build(t)
  t.equal(policy.fail(fault('UNREACHABLE', '', { wait: 6 })), 6)
  t.equal(policy.fail(fault('UNREACHABLE', '', { wait: 6 })), 8)
})

t.test('a restart: waits exactly as long as the server asks, the first time', async t => {
  const { lose } = build(t, { min: 4_000, max: 10_000 })
  t.equal(lose(0, restart), 1_000)
  t.equal(lose(0, restart), 4_000)
})

t.test('tells how much of a wait the server asked for', async t => {
  const { policy } = build(t)
  t.ok(policy.wait() <= 0, 'before any failure')
  policy.fail(restart)
  t.ok(policy.wait() > 900 && policy.wait() <= 1_000)
  policy.fail(later)
  t.ok(policy.wait() <= 0, 'a back-off of our own is not mandatory')
})

t.test('a platform that says it is offline slows attempts down', async t => {
  for (const [onLine, delays] of [[false, [75, 75, 75]], [true, [0, 4, 8]], [undefined, [0, 4, 8]]] as const) {
    t.intercept(globalThis, 'navigator' as never, { value: { onLine }, configurable: true })
    const { policy } = build(t)
    t.same([1, 2, 3].map(() => policy.fail(atOnce)), delays, `${onLine}`)
  }
  t.intercept(globalThis, 'navigator' as never, { value: { onLine: false }, configurable: true })
  t.equal(build(t).policy.fail(restart), 1_000, 'not where the server says when')
  t.equal(build(t).policy.fail(fault('UNREACHABLE', '', { wait: 500 })), 500)
})
