// Runs alone: what it tears down at the end would end the files after it.
import t from 'tap'
import { setTimeout as sleep } from 'node:timers/promises'
import { Deadline } from '@fastify-airlock/core'
import { WSA_TICKET_ERR_STORE_FULL, MemoryStore, type TicketStore } from '../src/index.js'
import { build, logged, signedIn, storeWith } from './helpers.js'

const TICKET = 'x'.repeat(43)
const UNAVAILABLE = { code: 'WSA_TICKET_ERR_UNAVAILABLE', statusCode: 503, retryAfter: 1, headers: { 'retry-after': '1' } }

t.test('a store that fails, at once or later', async t => {
  const boom = new Error('boom')
  const sync = (): never => { throw boom }
  const late = async (): Promise<never> => { throw boom }
  for (const fail of [sync, late]) {
    const app = await build(t, { store: storeWith({ put: fail, take: fail, revoke: fail }) })
    for (const call of [
      (): Promise<unknown> => app.wsTickets.issue('alice'),
      () => app.wsTickets.redeem(TICKET),
      () => app.wsTickets.revoke('alice')
    ]) await t.rejects(call(), { ...UNAVAILABLE, cause: boom })
  }
})

t.test('a store that throws an empty error', async t => {
  const app = await build(t, { store: storeWith({ take: () => { throw new Error() } }) })
  await t.rejects(app.wsTickets.redeem(TICKET), UNAVAILABLE)
})

// Neither a deadline nor an idle server under inject keeps the process alive.
const alive = setInterval(() => {}, 60_000)
t.teardown(() => clearInterval(alive))

t.test('a store that never answers', async t => {
  const never = (): Promise<never> => new Promise(() => {})
  const app = await build(t, { storeTimeout: 150, store: storeWith({ put: never, take: never, revoke: never }) })
  const start = performance.now()
  await Promise.all([
    t.rejects(app.wsTickets.issue('alice'), UNAVAILABLE),
    t.rejects(app.wsTickets.redeem(TICKET), { ...UNAVAILABLE, cause: { message: 'No answer within 150 ms' } }),
    t.rejects(app.wsTickets.revoke('alice'), UNAVAILABLE)
  ])
  const elapsed = performance.now() - start
  t.ok(elapsed >= 150 && elapsed < 25_000, `${elapsed} ms`)
})

t.test('a late answer is ignored, and a late error is no unhandled rejection', async t => {
  const settle: Array<() => void> = []
  const store = storeWith({
    take: () => new Promise(resolve => settle.push(() => resolve(null))),
    put: () => new Promise((_resolve, reject) => settle.push(() => reject(new Error('late'))))
  })
  const app = await build(t, { storeTimeout: 20, store })
  const unhandled: unknown[] = []
  const onUnhandled = (error: unknown): void => { unhandled.push(error) }
  process.on('unhandledRejection', onUnhandled)
  t.teardown(() => process.off('unhandledRejection', onUnhandled))
  await t.rejects(app.wsTickets.redeem(TICKET), UNAVAILABLE)
  await t.rejects(app.wsTickets.issue('alice'), UNAVAILABLE)
  for (const now of settle) now()
  // Node reports unhandled rejections after the microtasks.
  await sleep(0)
  t.same(unhandled, [])
})

t.test('a thenable that is no Promise has a deadline as well', async t => {
  const thenable = { then () {} } as unknown as Promise<null>
  const app = await build(t, { storeTimeout: 20, store: storeWith({ take: () => thenable }) })
  await t.rejects(app.wsTickets.redeem(TICKET), UNAVAILABLE)
})

t.test('the route answers 503 with Retry-After, without a ticket', async t => {
  const { lines, options } = logged()
  const puts: Array<TicketStore['put']> = [
    () => new Promise(() => {}),
    () => { throw new WSA_TICKET_ERR_STORE_FULL() }
  ]
  for (const put of puts) {
    const app = await build(t, { storeTimeout: 20, store: storeWith({ put }) }, options)
    const response = await app.inject({ method: 'POST', url: '/ws/ticket', headers: signedIn(app) })
    t.equal(response.statusCode, 503)
    t.equal(response.headers['retry-after'], '1')
    t.equal(response.headers['cache-control'], 'no-store')
    t.match(response.json(), { statusCode: 503, code: /^WSA_TICKET_ERR_(UNAVAILABLE|STORE_FULL)$/ })
  }
  t.match(lines.join(''), 'No answer within 20 ms', 'the log says why')
})

t.test('another route that throws the error says when to try again', async t => {
  const app = await build(t, { store: storeWith({ take: () => { throw new Error('boom') } }) })
  app.get('/redeem', async () => app.wsTickets.redeem(TICKET))
  const response = await app.inject('/redeem')
  t.match(response.json(), { statusCode: 503, code: 'WSA_TICKET_ERR_UNAVAILABLE' })
  t.equal(response.headers['retry-after'], '1')
})

t.test('a closed store on the route', async t => {
  const store = new MemoryStore()
  const app = await build(t, { store })
  store.close()
  const response = await app.inject({ method: 'POST', url: '/ws/ticket', headers: signedIn(app) })
  t.match(response.json(), { statusCode: 503, code: 'WSA_TICKET_ERR_STORE_CLOSED' })
  t.equal(response.headers['retry-after'], '1')
})

t.test('a server starts although its store is not ready', async t => {
  const { lines, options } = logged()
  const calls: string[] = []
  const store = storeWith({ ready: async () => { calls.push('ready'); throw new Error('no database') } })
  const app = await build(t, { store }, options)
  t.same(calls, [], 'not before the server starts')
  await app.ready()
  t.same(calls, ['ready'])
  t.match(lines.join(''), /not ready.*no database|no database.*not ready/)
})

t.test('a server closes although its store hangs', async t => {
  const app = await build(t, { storeTimeout: 20, store: storeWith({ close: () => new Promise(() => {}) }) })
  await app.ready()
  await t.rejects(async () => { await app.close() }, UNAVAILABLE)
})

t.test('an answer in time stops its deadline', async t => {
  const deadline = new Deadline(60_000)
  t.equal(await deadline.race(Promise.resolve(1)), 1)
  await t.rejects(deadline.race(Promise.reject(new Error('in time'))), { message: 'in time' })
})
