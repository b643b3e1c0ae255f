import t, { type Test } from 'tap'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { setImmediate as immediate, setTimeout as sleep } from 'node:timers/promises'
import jwt from '@fastify/jwt'
import rateLimit from '@fastify/rate-limit'
import { requireServer, startRedis } from '@fastify-airlock/test-servers'
import Fastify from 'fastify'
import { ClusterRate } from '../src/cluster-rate.js'
import { testTicketRateCounter } from '../src/contract.js'
import { type TicketRateCounter, wsTickets, type WsTicketsOptions } from '../src/index.js'
import { RedisRateCounter } from '../src/stores/redis.js'
import { signedIn } from './helpers.js'
import { connect, prefixOf } from './stores/redis.js'

/** A counter of this process, which can be away. */
class FakeCounter implements TicketRateCounter {
  readonly counts = new Map<string, number>()
  mood: (() => Promise<unknown>) | null = null
  asked = 0

  async take (subject: string, max: number, timeWindow: number): Promise<number> {
    this.asked++
    await this.mood?.()
    const count = (this.counts.get(subject) ?? 0) + 1
    this.counts.set(subject, count)
    return count <= max ? 0 : timeWindow / 2
  }
}

const away = (): Promise<never> => Promise.reject(new Error('away'))

const rejected = (reason: unknown): Promise<never> => new Promise((_resolve, reject) => reject(reason))

async function build (t: Test, options: WsTicketsOptions = {}, registers = true) {
  const lines: Array<{ msg: string, reason?: string }> = []
  const app = Fastify({ logger: { level: 'info', stream: { write: (line: string) => { lines.push(JSON.parse(line)) } } } })
  t.teardown(() => app.close())
  await app.register(jwt, { secret: 'of the test' })
  if (registers) await app.register(rateLimit, { global: false })
  await app.register(wsTickets, options)
  const ask = async (sub: string) => await app.inject({ method: 'POST', url: '/ws/ticket', headers: signedIn(app, sub) })
  return { app, ask, said: () => lines.map(({ msg }) => msg).filter(text => /over all nodes/.test(text)) }
}

t.test('requests of one subject count on all nodes together', async t => {
  const counter = new FakeCounter()
  const options = { route: { rateLimit: { max: 3, timeWindow: 5_000, counter } } }
  const [a, b] = [await build(t, options), await build(t, options)]
  const events: Array<Record<string, unknown>> = []
  const listener = (event: unknown): void => { events.push(event as Record<string, unknown>) }
  subscribe('airlock:audit', listener)
  t.teardown(() => unsubscribe('airlock:audit', listener))
  for (const { ask } of [a, b, a]) t.equal((await ask('alice')).statusCode, 201)
  const refused = await b.ask('alice')
  t.match(refused.json(), { statusCode: 429, code: 'WSA_TICKET_ERR_RATE', message: 'Too many tickets' })
  t.match(refused.headers, { 'retry-after': '3', 'cache-control': 'no-store' })
  t.match(events.at(-1), { type: 'ticket.refused', subject: 'alice', code: 'WSA_TICKET_ERR_RATE', status: 429 })
  t.equal((await b.ask('bob')).statusCode, 201)
  t.strictSame(a.app.wsTickets.rateCounter, { state: 'up', taken: 2, refused: 0, failed: 0 })
  t.strictSame(b.app.wsTickets.rateCounter, { state: 'up', taken: 2, refused: 1, failed: 0 })
  t.equal((await a.app.inject({ method: 'POST', url: '/ws/ticket' })).statusCode, 401, 'a client that is not signed in is not counted')
  t.equal(counter.counts.size, 2)
})

t.test('while the counter is away, the limit of the node applies', async t => {
  const counter = new FakeCounter()
  counter.mood = away
  const { ask, app, said } = await build(t, { route: { rateLimit: { max: 2, counter } } })
  for (const status of [201, 201, 429]) t.equal((await ask('alice')).statusCode, status)
  t.match(app.wsTickets.rateCounter, { state: 'down', taken: 0, refused: 0 })
  t.strictSame(said(), ['tickets cannot be counted over all nodes: the limit of this node applies'])
})

t.test('with tickets that have claims, and a store that takes its time', async t => {
  const counter = new FakeCounter()
  const { ask } = await build(t, { route: { claims: async () => ({ a: 1 }), rateLimit: { max: 1, counter } } })
  t.equal((await ask('alice')).statusCode, 201)
  t.equal((await ask('alice')).statusCode, 429)
  const bound = await build(t, { bindAddress: true, route: { rateLimit: { counter } } })
  const answer = await bound.app.inject({ method: 'POST', url: '/ws/ticket', headers: signedIn(bound.app, 'alice'), remoteAddress: '' })
  t.ok([201, 500].includes(answer.statusCode))
})

t.test('options', async t => {
  const counter = new FakeCounter()
  for (const wrong of [{}, null, 'redis', () => {}]) {
    await t.rejects(build(t, { route: { rateLimit: { counter: wrong as never } } }), { code: 'WSA_TICKET_ERR_OPTION', message: /counter/ })
  }
  await t.rejects(build(t, { route: { rateLimit: { counter } } }, false), { code: 'WSA_TICKET_ERR_OPTION', message: /register @fastify\/rate-limit first/ })
  for (const route of [{}, { rateLimit: { max: 1 } }, { rateLimit: false as const }]) t.equal((await build(t, { route })).app.wsTickets.rateCounter, null)
  t.equal((await build(t, { route: false })).app.wsTickets.rateCounter, null)
  const redis = { status: 'ready', evalsha: async () => 0, eval: async () => 0 }
  for (const [client, options] of [[{}, {}], [redis, { prefix: '' }], [redis, { timeout: 0 }], [redis, { other: 1 }]]) {
    t.throws(() => new RedisRateCounter(client as never, options as never), { code: 'WSA_TICKET_ERR_OPTION' })
  }
})

t.test('a counter that fails is left alone for a second, and said so once', async t => {
  // The timer of a deadline keeps no process alive.
  const alive = setInterval(() => {}, 1_000)
  t.teardown(() => clearInterval(alive))
  const counter = new FakeCounter()
  const clock = { now: 0 }
  const lines: string[] = []
  const rate = new ClusterRate({
    counter,
    max: 1,
    timeWindow: 1_000,
    timeout: 10,
    log: { info: text => { lines.push(text) }, warn: ({ reason }: { reason?: string }, text) => { lines.push(`${text} (${reason})`) } },
    now: () => clock.now
  })
  t.equal(await rate.take('alice'), 0)
  t.equal(await rate.take('alice'), 500)
  for (const mood of [away, () => rejected(undefined), () => new Promise(() => {})]) {
    counter.mood = mood
    clock.now += 10_000
    const before = counter.asked
    t.equal(await rate.take('alice'), 0)
    t.equal(await rate.take('alice'), 0, 'it is not asked again')
    t.equal(counter.asked, before + 1)
    t.equal(rate.stats.state, 'down')
    clock.now += 999
    await rate.take('alice')
    t.equal(counter.asked, before + 1)
  }
  clock.now += 1
  const probe = rate.take('alice')
  t.equal(await rate.take('bob'), 0, 'one request finds out for all')
  await probe
  t.equal(rate.stats.state, 'down')
  counter.mood = null
  clock.now += 1_000
  t.equal(await rate.take('alice'), 500)
  t.match(rate.stats, { state: 'up', taken: 1, refused: 2, failed: 4 })
  t.strictSame(lines, ['tickets cannot be counted over all nodes: the limit of this node applies (away)', 'tickets are counted over all nodes again'])
  const thrower = new ClusterRate({ counter: { take: () => { throw new Error('thrown') } }, max: 1, timeWindow: 1, timeout: 1, log: { info () {}, warn () {} } })
  t.equal(await thrower.take('alice'), 0)
  for (const answer of [undefined, null, NaN, -1, Infinity, 'later', {}]) {
    const odd = new ClusterRate({ counter: { take: async () => answer as never }, max: 1, timeWindow: 1, timeout: 1_000, log: { info () {}, warn () {} } })
    t.equal(await odd.take('alice'), 0, String(answer))
    t.equal(odd.stats.state, 'down', String(answer))
  }
  // Two fail at the same time, and one line is enough.
  const both: string[] = []
  const twice = new ClusterRate({ counter: { take: away }, max: 1, timeWindow: 1, timeout: 1_000, log: { info () {}, warn: (_, text) => { both.push(text) } } })
  await Promise.all([twice.take('alice'), twice.take('bob')])
  t.equal(both.length, 1)
  // As late as two answers may be: the second is not the one that has brought it back.
  await immediate()
})

const server = requireServer(t, await startRedis())
if (server !== null) {
  t.comment(server.kind)
  t.teardown(() => server.stop())

  t.test('Redis', async t => {
    testTicketRateCounter(t, {
      create: async t => {
        const [one, two] = [await connect(t as Test, server.url), await connect(t as Test, server.url, { keyPrefix: '' })]
        const prefix = prefixOf(t as Test, one)
        return [new RedisRateCounter(one, { prefix }), new RedisRateCounter(two, { prefix })]
      }
    })

    t.test('no name of a subject is in Redis, and every key has an end', async t => {
      const redis = await connect(t, server.url)
      await redis.flushall()
      const counter = new RedisRateCounter(redis)
      await counter.take('alice', 1, 60_000)
      const [key = ''] = await redis.keys('*')
      t.ok(key.startsWith('ws:rate:') && !key.includes('alice'))
      await redis.persist(key)
      await counter.take('alice', 5, 60_000)
      t.ok(await redis.pttl(key) > 0)
    })

    t.test('while Redis is away nodes keep to their own limits, and count together again when it is back', async t => {
      const redis = await connect(t, server.url)
      const counter = new RedisRateCounter(redis, { prefix: prefixOf(t, redis) })
      const options = { route: { rateLimit: { max: 3, counter } } }
      const [a, b] = [await build(t, options), await build(t, options)]
      await server.kill()
      for (const { ask } of [a, b]) for (const status of [201, 201, 201, 429]) t.equal((await ask('alice')).statusCode, status)
      t.strictSame([a, b].map(({ app }) => app.wsTickets.rateCounter?.state), ['down', 'down'])
      await server.restart()
      for (let user = 0; a.app.wsTickets.rateCounter?.state !== 'up' || b.app.wsTickets.rateCounter?.state !== 'up'; user++) {
        for (const { ask } of [a, b]) await ask(`user ${user}`)
        await sleep(20)
      }
      for (const { ask } of [a, b, a]) t.equal((await ask('carol')).statusCode, 201)
      t.equal((await b.ask('carol')).statusCode, 429)
      t.strictSame(a.said(), ['tickets cannot be counted over all nodes: the limit of this node applies', 'tickets are counted over all nodes again'])
    })
  })
}
