import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { EventEmitter } from 'node:events'
import { setImmediate as immediate } from 'node:timers/promises'
import { trailOfSocket, type WsIdentity } from '@fastify-airlock/core'
import t, { type Test } from 'tap'
import type { WebSocket } from 'ws'
import type { Verdict } from '../src/verdict.js'
import { type Grant, Watcher } from '../src/watcher.js'
import { createStats } from './helpers.js'

const MINUTE = 60_000

/** The part of a server's socket that the watcher sees. */
class FakeSocket extends EventEmitter {
  readonly OPEN = 1
  readyState = 1
  ended: { code: number, reason: string } | null = null

  close (code: number, reason: string): void {
    this.readyState = 2
    this.ended = { code, reason }
  }

  terminate (): void {}
}

const as = (socket: FakeSocket): WebSocket => socket as unknown as WebSocket
const alice = (claims = {}, expiresAt: number | null = null): Required<Exclude<Verdict, string>> => ({ subject: 'alice', claims, expiresAt })

/** Makes a watcher on clocks that only `advance` moves. It asks `verdicts`; an error there stands for an authority that is away. */
function make (t: Test, { random = (): number => 1 - Number.EPSILON, interval = 5 * MINUTE } = {}) {
  const clock = { now: 0 }
  const verdicts = new Map<string, Verdict | Error | Promise<Verdict>>()
  const asked: string[] = []
  const stats = createStats()
  const answers = {
    forgotten: 0,
    subjects: [] as string[],
    ask (token: string) {
      asked.push(token)
      const verdict = verdicts.get(token) ?? alice()
      if (verdict instanceof Error) throw verdict
      return verdict
    },
    forget (subject: string) {
      this.forgotten++
      this.subjects.push(subject)
    }
  }
  const watcher = new Watcher({
    answers, interval, maxStale: 15 * MINUTE, stats, random, now: () => clock.now, wall: () => clock.now
  })
  t.teardown(() => watcher.close())
  const watch = (token: string, grant: Partial<Grant> = {}) => {
    const socket = new FakeSocket()
    const whole: Grant = { ...alice(), token, forgotten: answers.forgotten, ...grant }
    const identity: WsIdentity = { subject: whole.subject, claims: whole.claims, expiresAt: whole.expiresAt }
    t.equal(watcher.watch(as(socket), identity, whole), true)
    return { socket, identity, whole }
  }
  /** Moves the clocks in the steps of the timer. */
  const advance = async (duration: number, step = 1_000) => {
    for (const end = clock.now + duration; clock.now < end;) {
      clock.now = Math.min(clock.now + step, end)
      watcher.tick()
      await immediate()
    }
  }
  return { watcher, clock, verdicts, asked, stats, answers, watch, advance }
}

t.test('a connection is re-checked within each interval', async t => {
  const { asked, watch, advance, watcher, stats } = make(t)
  const { socket } = watch('a')
  await advance(5 * MINUTE - 1_000)
  t.strictSame(asked, [])
  await advance(1_000)
  t.strictSame(asked, ['a'])
  await advance(5 * MINUTE)
  t.strictSame(asked, ['a', 'a'])
  t.equal(socket.ended, null)
  t.equal(watcher.size, 1)
  t.equal(stats.closed, 0)
})

t.test('checks are spread over the second half of the interval', async t => {
  const { asked, watch, advance } = make(t, { random: () => 0 })
  watch('a')
  await advance(2.5 * MINUTE - 1_000)
  t.strictSame(asked, [])
  await advance(1_000)
  t.strictSame(asked, ['a'])
  const values = [0, 0.25, 0.5, 0.75]
  const spread = make(t, { random: () => values.shift() ?? 0 })
  for (const token of ['0', '1', '2', '3']) spread.watch(token)
  const at: Record<string, number> = {}
  for (let second = 1; second <= 300 && Object.keys(at).length < 4; second++) {
    await spread.advance(1_000)
    for (const token of spread.asked) at[token] ??= second
  }
  t.strictSame(at, { 0: 150, 1: 188, 2: 225, 3: 263 })
})

t.test('each kind of refusal has its own close code', async t => {
  for (const [verdict, code, reason] of [
    ['inactive', 4403, 'token revoked'],
    ['wrong audience', 4403, 'token revoked'],
    ['expired', 4401, 'token expired'],
    [{ ...alice(), subject: 'bob' }, 4403, 'subject mismatch']
  ] as const) {
    const { verdicts, watch, advance, watcher, asked, stats } = make(t)
    const events: unknown[] = []
    const listener = (event: unknown) => { events.push(event) }
    subscribe('airlock:introspect:close', listener)
    verdicts.set('a', verdict)
    const { socket, identity } = watch('a')
    await advance(5 * MINUTE)
    unsubscribe('airlock:introspect:close', listener)
    t.strictSame(socket.ended, { code, reason })
    t.strictSame(events, [{ socket, subject: 'alice', code, reason }])
    t.equal(watcher.size, 0)
    t.equal(stats.closed, 1)
    t.equal(socket.listenerCount('close'), 0)
    t.equal(identity.subject, 'alice')
    await advance(10 * MINUTE)
    t.strictSame(asked, ['a'], 'nobody asks any more')
  }
})

t.test('a token is checked at its expiry, and a renewed one keeps the connection', async t => {
  const { verdicts, asked, watch, advance, clock } = make(t)
  const { socket, identity } = watch('a', { expiresAt: 60_500 })
  verdicts.set('a', alice({}, 10 * MINUTE))
  await advance(60_000)
  t.strictSame(asked, [])
  await advance(1_000)
  t.strictSame(asked, ['a'])
  t.equal(identity.expiresAt, 10 * MINUTE)
  verdicts.set('a', 'inactive')
  await advance(5 * MINUTE)
  t.strictSame(socket.ended, { code: 4403, reason: 'token revoked' }, 'inactive before its expiry: revoked')
  const other = watch('b', { expiresAt: clock.now + 5_000 })
  verdicts.set('b', 'inactive')
  await advance(6_000)
  t.strictSame(other.socket.ended, { code: 4401, reason: 'token expired' }, 'inactive after its expiry: expired')
})

t.test('an expired token closes the connection even while the authority is away', async t => {
  const { verdicts, watch, advance } = make(t)
  verdicts.set('a', new Error('away'))
  const { socket } = watch('a', { expiresAt: 7 * MINUTE })
  await advance(7 * MINUTE - 1_000)
  t.equal(socket.ended, null)
  await advance(2_000)
  t.strictSame(socket.ended, { code: 4401, reason: 'token expired' })
})

t.test('the connection is kept for maxStale while the authority is away', async t => {
  const { verdicts, asked, watch, advance, stats } = make(t)
  verdicts.set('a', new Error('away'))
  const { socket } = watch('a')
  await advance(5 * MINUTE)
  t.equal(asked.length, 1)
  await advance(MINUTE)
  t.equal(asked.length, 2, 'tried again after a fifth of the interval')
  await advance(9 * MINUTE - 1_000)
  t.equal(socket.ended, null)
  await advance(1_000)
  t.strictSame(socket.ended, { code: 1013, reason: 'token cannot be checked' })
  t.equal(stats.closed, 1)
})

t.test('maxStale counts anew after the authority is back', async t => {
  const { verdicts, watch, advance } = make(t)
  verdicts.set('a', new Error('away'))
  const { socket } = watch('a')
  await advance(14 * MINUTE)
  verdicts.set('a', alice())
  await advance(2 * MINUTE)
  verdicts.set('a', new Error('away'))
  await advance(14 * MINUTE - 1_000)
  t.equal(socket.ended, null)
  await advance(1_000)
  t.strictSame(socket.ended, { code: 1013, reason: 'token cannot be checked' })
})

t.test('the identity is updated in place', async t => {
  const { verdicts, watch, watcher } = make(t)
  const { identity, whole } = watch('a', { claims: { role: 'admin' } })
  const fresh = alice({ scope: 'chat' }, 20 * MINUTE)
  verdicts.set('a', fresh)
  await watcher.recheck('alice')
  t.strictSame(identity, { subject: 'alice', claims: { scope: 'chat' }, expiresAt: 20 * MINUTE })
  t.not(identity.claims, fresh.claims, 'the cached answer is not handed out')
  t.strictSame(whole.claims, { role: 'admin' })
  verdicts.set('a', alice({ scope: 'feed' }))
  await watcher.recheck('alice')
  t.strictSame(identity, { subject: 'alice', claims: { scope: 'feed' }, expiresAt: null })
})

t.test('an identity that another proof has completed is left alone, and the connection still re-checked', async t => {
  const { verdicts, watch, watcher } = make(t)
  const { identity, socket } = watch('a', { claims: { role: 'user' } })
  identity.claims = { role: 'user', jti: '7' }
  identity.expiresAt = 5
  verdicts.set('a', alice({ role: 'admin' }, MINUTE))
  t.strictSame(await watcher.recheck('alice'), { kept: 1, closed: 0, unknown: 0 })
  t.strictSame(identity, { subject: 'alice', claims: { role: 'user', jti: '7' }, expiresAt: 5 })
  verdicts.set('a', 'inactive')
  await watcher.recheck('alice')
  t.match(socket.ended, { code: 4403 })
})

t.test('recheck checks all connections of one subject at once and returns the outcome', async t => {
  const { verdicts, asked, watch, watcher, answers } = make(t)
  const [kept, revoked, unknown, bob] = [watch('a1'), watch('a2'), watch('a3'), watch('b', { subject: 'bob' })]
  verdicts.set('a2', 'inactive')
  verdicts.set('a3', new Error('away'))
  t.strictSame(await watcher.recheck('alice'), { kept: 1, closed: 1, unknown: 1 })
  t.strictSame(answers.subjects, ['alice'], 'forgotten first')
  t.strictSame(asked, ['a1', 'a2', 'a3'])
  t.match(revoked.socket.ended, { code: 4403 })
  for (const { socket } of [kept, unknown, bob]) t.equal(socket.ended, null)
  t.strictSame(await watcher.recheck('nobody'), { kept: 0, closed: 0, unknown: 0 })
})

t.test('recheck of a user with very many connections does not block everything else', async t => {
  const { watcher, verdicts, watch, asked } = make(t)
  const sockets = Array.from({ length: 250 }, () => watch('one token').socket)
  verdicts.set('one token', 'inactive')
  const rechecked = watcher.recheck('alice')
  let most = 0
  for (let before = watcher.size; watcher.size > 0; before = watcher.size) {
    await immediate()
    most = Math.max(most, before - watcher.size)
  }
  t.strictSame(await rechecked, { kept: 0, closed: 250, unknown: 0 })
  t.equal(most, 100, 'in one turn')
  t.equal(asked.length, 250)
  t.ok(sockets.every(({ ended }) => ended?.code === 4403))
})

t.test('a connection that closes meanwhile is not closed again', async t => {
  const { verdicts, watch, watcher, stats } = make(t)
  let answer: (verdict: Verdict) => void = () => {}
  verdicts.set('a', new Promise(resolve => { answer = resolve }))
  const { socket } = watch('a')
  const rechecked = watcher.recheck('alice')
  socket.emit('close')
  t.equal(watcher.size, 0)
  answer('inactive')
  t.strictSame(await rechecked, { kept: 0, closed: 1, unknown: 0 })
  t.equal(socket.ended, null)
  t.equal(stats.closed, 0)
})

t.test('an answer that was forgotten before the handler ran is checked at once', async t => {
  const { verdicts, asked, watch, answers } = make(t)
  verdicts.set('a', 'inactive')
  answers.forget('alice')
  const { socket } = watch('a', { forgotten: 0 })
  t.strictSame(asked, ['a'])
  await immediate()
  t.match(socket.ended, { code: 4403, reason: 'token revoked' })
})

t.test('a connection is watched once, and only while it is open', async t => {
  const { watch, watcher } = make(t)
  const { socket, identity, whole } = watch('a')
  t.equal(watcher.watch(as(socket), identity, whole), true)
  t.equal(watcher.size, 1)
  t.equal(socket.listenerCount('close'), 1)
  const late = Object.assign(new FakeSocket(), { readyState: 2 })
  t.equal(watcher.watch(as(late), identity, whole), false)
  t.equal(watcher.size, 1)
})

t.test('unwatch and close leave connections alone', async t => {
  const { watch, watcher, advance, asked, verdicts } = make(t)
  const [one, two, three] = [watch('a'), watch('b'), watch('c')]
  t.equal(watcher.unwatch(as(one.socket)), true)
  t.equal(watcher.unwatch(as(one.socket)), false)
  t.equal(watcher.size, 2)
  watcher.close()
  t.equal(watcher.size, 0)
  for (const token of ['a', 'b', 'c']) verdicts.set(token, 'inactive')
  await advance(10 * MINUTE)
  t.strictSame(asked, [])
  for (const { socket } of [one, two, three]) {
    t.equal(socket.ended, null)
    t.strictSame(socket.eventNames(), [])
  }
})

t.test('the audit trail learns why a connection was closed', async t => {
  const { watcher, watch, verdicts } = make(t)
  const { socket } = watch('token')
  const trail = trailOfSocket(socket)
  verdicts.set('token', 'inactive')
  await watcher.recheck('alice')
  t.same(trail.ending, { code: 4403, reason: 'token revoked' })
})
