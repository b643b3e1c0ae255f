import { hubPlacesOf, pendingPlacesOf, Places, setPlaces } from '@fastify-airlock/core'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import t, { type Test } from 'tap'
import { ConnectQueue } from '../src/connect-queue.js'
import type { GuardPluginOptions } from '../src/index.js'
import { attempt, build, clock, listen, raw, route, ticketsOf, until, upgradeHead } from './helpers.js'

t.test('arrivals go in at a rate, in their order', t => {
  let now = 0
  const queue = new ConnectQueue<string>({ perSecond: 2, burst: 3 }, () => now)
  const entered: string[] = []
  const arrive = (name: string) => queue.arrive(name, () => { entered.push(name) })
  t.same(['a', 'b', 'c'].map(arrive), ['now', 'now', 'now'], 'a burst')
  t.same(['d', 'e', 'f'].map(arrive), ['later', 'later', 'later'])
  t.equal(queue.size, 3)
  queue.tick()
  t.same(entered, [], 'too early')
  now = 500
  queue.tick()
  t.same(entered, ['d'])
  t.equal(arrive('g'), 'later', 'nobody overtakes')
  t.equal(queue.leave('e'), true)
  t.equal(queue.leave('e'), false)
  now = 1_000
  queue.tick()
  t.same(entered, ['d', 'f'], 'who has left holds up nobody')
  now = 60_000
  queue.tick()
  t.same(entered, ['d', 'f', 'g'])
  t.equal(queue.size, 0)
  t.equal(arrive('h'), 'now')
  t.end()
})

t.test('one whose turn would come after 10 s does not wait', t => {
  const queue = new ConnectQueue<number>({ perSecond: 2.5, burst: 1 }, () => 0)
  t.equal(queue.arrive(0, () => {}), 'now')
  const answers = Array.from({ length: 27 }, (_, index) => queue.arrive(index + 1, () => {}))
  t.same(answers.filter(answer => answer === 'later').length, 25)
  t.same(answers.slice(25), ['full', 'full'])
  t.end()
})

const ticketOf = (index: number): string => String(index).padStart(43, 'A')

/** A server that lets upgrades in at a rate, and knows ten tickets. */
async function start (t: Test, guard: GuardPluginOptions, routes = (app: FastifyInstance): void => route(app)) {
  const lines: string[] = []
  const app = await build(t, { guard: { upgradeTimeout: 600_000, ignoreWarnings: ['WSA_GUARD_WARN_CREDENTIAL_IN_LOG'], ...guard }, server: { logger: { level: 'warn', stream: { write: (line: string) => { lines.push(line) } } } } })
  const { live, asked } = ticketsOf(app)
  for (let index = 0; index < 10; index++) live.add(ticketOf(index))
  routes(app)
  const port = await listen(app)
  const open = (index: number, path = '/ws') => attempt(port, `${path}?ticket=${ticketOf(index)}`)
  return { app, port, live, asked, open, lines }
}

t.test('upgrades wait for their turn, in their order, and are served then', async t => {
  const { app, asked, open, lines } = await start(t, { connectRate: { perSecond: 20, burst: 1 } })
  const results = []
  for (let index = 0; index < 5; index++) {
    results.push(open(index))
    await until(() => asked.length + app.wsGuard.waiting > index)
  }
  t.same((await Promise.all(results)).map(({ status }) => status), [101, 101, 101, 101, 101])
  t.same(asked.map(({ ticket }) => ticket), [0, 1, 2, 3, 4].map(ticketOf))
  t.equal(app.wsGuard.waiting, 0)
  t.same(lines, [])
})

t.test('the rest get 503 and keep their tickets, and so do those who leave while they wait', async t => {
  // One may wait for ten seconds.
  const { app, port, live, open } = await start(t, { connectRate: 0.1 })
  t.equal((await open(0)).status, 101)
  const waiting = await raw(t, port, upgradeHead(`/ws?ticket=${ticketOf(1)}`))
  await until(() => app.wsGuard.waiting === 1)
  t.match(await open(2), { status: 503, code: 'WSA_GUARD_ERR_BUSY', headers: { 'retry-after': '10' } })
  t.equal(app.wsGuard.pending, 1)
  waiting.socket.resetAndDestroy()
  await until(() => app.wsGuard.waiting === 0 && app.wsGuard.pending === 0)
  t.equal(pendingPlacesOf(app.server).taken, 0)
  const next = await raw(t, port, upgradeHead(`/ws?ticket=${ticketOf(3)}`))
  await until(() => app.wsGuard.waiting === 1)
  await app.close()
  t.match(await next.text, /^HTTP\/1\.1 503 [^]*WSA_GUARD_ERR_CLOSING/)
  t.same([1, 2, 3].map(index => live.has(ticketOf(index))), [true, true, true])
})

for (const [name, allowedOrigins] of [['at once', undefined], ['after another hook', async () => true]] as const) {
  t.test(`who has waited for ten seconds gets 503, which is no hook's fault: ${name}`, async t => {
    const time = clock(t)
    const { app, port, live, open, lines } = await start(t, { connectRate: 0.1, ...allowedOrigins && { allowedOrigins, unsafe: true } })
    t.equal((await open(0)).status, 101)
    const waiting = await raw(t, port, upgradeHead(`/ws?ticket=${ticketOf(1)}`, { Origin: 'http://localhost' }))
    await until(() => app.wsGuard.waiting === 1)
    time.ahead += 10_500
    t.match(await waiting.text, /^HTTP\/1\.1 503 [^]*retry-after: 10\r\n[^]*WSA_GUARD_ERR_BUSY/)
    t.equal(app.wsGuard.waiting, 0)
    t.ok(live.has(ticketOf(1)))
    t.same(lines, [])
  })
}

t.test('an upgrade has all of its time when its turn has come', async t => {
  const time = clock(t)
  const stores: Array<() => void> = []
  const { app, port } = await start(t, { connectRate: { perSecond: 5, burst: 1 }, upgradeTimeout: 60_000 }, app => {
    app.get('/slow', { websocket: true, preValidation: app.wsGuard({ authenticate: () => new Promise<null>(resolve => { stores.push(() => resolve(null)) }) }) }, () => {})
  })
  const first = await raw(t, port, upgradeHead('/slow'))
  await until(() => stores.length === 1)
  const waiting = await raw(t, port, upgradeHead('/slow'))
  await until(() => app.wsGuard.waiting === 1)
  time.ahead += 6_000
  await until(() => stores.length === 2)
  time.ahead += 56_000
  t.match(await first.text, /WSA_GUARD_ERR_TIMEOUT/, 'everything that was due has been looked at')
  stores[1]?.()
  t.match(await waiting.text, /^HTTP\/1\.1 401 /)
})

t.test('two guards on a route wait once, and an application that awaits the hook is told in any case', async t => {
  const returned: string[] = []
  const { app, port, asked, open } = await start(t, { connectRate: 0.1 }, app => {
    const [one, two] = [app.wsGuard({ authenticate: () => ({ subject: 'u1' }) }), app.wsGuard()]
    app.get('/two', { websocket: true, preValidation: [one, two] }, (socket, request) => { socket.send(JSON.stringify(request.wsIdentity)) })
    const guard = app.wsGuard() as (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>
    app.get('/ws', {
      websocket: true,
      preValidation: async (request, reply) => {
        await guard(request, reply)
        returned.push(request.url)
      }
    }, () => {})
  })
  t.equal((await open(0, '/two')).status, 101)
  t.equal(asked.length, 1)
  const waiting = await raw(t, port, upgradeHead(`/ws?ticket=${ticketOf(1)}`))
  await until(() => app.wsGuard.waiting === 1)
  waiting.socket.resetAndDestroy()
  await until(() => returned.length === 1)
  t.equal(asked.length, 1, 'nothing was used up')
})

t.test('places in a hub are taken when the turn has come, once for two guards, and for no upgrade that is over', async t => {
  const places = new Places(1)
  const { app, open } = await start(t, { connectRate: { perSecond: 20, burst: 1 } }, app => {
    const hub = { add: () => true }
    setPlaces(hub, places)
    app.decorate<unknown>('wsHub', hub)
    t.equal(hubPlacesOf(app), places)
    app.get('/ws', { websocket: true, preValidation: [app.wsGuard({ authenticate: () => ({ subject: 'u1' }) }), app.wsGuard()] }, (socket, request) => { socket.send(JSON.stringify(request.wsIdentity)) })
  })
  for (let index = 0; index < 3; index++) t.equal((await open(index)).status, 101)
  t.equal(places.taken, 0)
  places.take(app)
  t.match(await open(3), { status: 503, code: 'WSA_GUARD_ERR_FULL', headers: { 'retry-after': '5' } })
  t.equal(places.taken, 1)
})

t.test('without a rate nobody waits', async t => {
  const { app, open } = await start(t, {})
  t.same((await Promise.all([0, 1, 2, 3].map(async index => await open(index)))).map(({ status }) => status), [101, 101, 101, 101])
  t.equal(app.wsGuard.waiting, 0)
})

t.test('rates that are none', async t => {
  for (const connectRate of [0, -1, Infinity, NaN, '5', true, {}, { perSecond: 0 }, { perSecond: 1, burst: 0 }, { perSecond: 1, burst: 1.5 }, { perSecond: 1, other: 1 }]) {
    await t.rejects(build(t, { guard: { connectRate: connectRate as number } }), { code: 'WSA_GUARD_ERR_OPTION', message: /connectRate/ }, JSON.stringify(connectRate))
  }
  await t.rejects(build(t, { guard: { connectRate: true as never } }), { message: 'Invalid option: connectRate: Expected false or a number above 0, or { perSecond, burst }, not true' })
})
