// Runs alone: it replaces the monotonic clock, which everything in its process shares.
import websocket from '@fastify/websocket'
import { websocketOptions } from '@fastify-airlock/core'
import wsGuard from '@fastify-airlock/guard'
import wsIntrospect, { type WsIntrospectOptions } from '@fastify-airlock/introspect'
import Fastify from 'fastify'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, request, type ServerResponse } from 'node:http'
import net, { type AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { head } from './wire.js'

/** Time of the plugin's default deadline, in milliseconds. */
const DEADLINE = 1_000

/** How an authority treats tokens; times in milliseconds. */
interface Behavior {
  /** Time for an answer about a good token. */
  latency: number
  /** Time for an answer about another; `Infinity` for none. */
  latencyOfOthers?: number
  /** The answer about another. */
  answer?: () => null
}

/** A question that the authority has not answered. */
interface Question {
  due: number
  answer: () => void
}

/** Replaces the clocks and all intervals by those that the test alone moves. */
function useClock (t: Test) {
  interface Interval { run: () => void, every: number, due: number, unref (): Interval }
  const clock = { now: 1_000 }
  const intervals = new Set<unknown>()
  const { setInterval, clearInterval } = globalThis
  const wall = Date.now
  // Not by `t.intercept`, which keeps the stack of each of a million calls.
  Object.defineProperty(performance, 'now', { value: () => clock.now, configurable: true })
  const epoch = wall()
  Date.now = () => epoch + clock.now
  globalThis.setInterval = ((run: () => void, every: number) => {
    const interval: Interval = { run, every, due: clock.now + every, unref: () => interval }
    intervals.add(interval)
    return interval
  }) as never
  globalThis.clearInterval = ((interval: NodeJS.Timeout) => { if (!intervals.delete(interval)) clearInterval(interval) }) as never
  t.teardown(() => {
    // The real one is in the prototype.
    Reflect.deleteProperty(performance, 'now')
    Date.now = wall
    Object.assign(globalThis, { setInterval, clearInterval })
  })
  return {
    get now () { return clock.now },
    intervals,
    move (now: number) {
      clock.now = now
      for (const interval of intervals as Set<Interval>) {
        for (; interval.due <= now && intervals.has(interval); interval.due += interval.every) interval.run()
      }
    }
  }
}

interface Setup extends Behavior {
  options?: Partial<WsIntrospectOptions>
}

/** A server, and an authority that answers when the test moves the clock. Tokens that begin with `good` are those of a user. */
async function start (t: Test, { latency, latencyOfOthers = latency, answer = () => null, options = {} }: Setup) {
  const clock = useClock(t)
  const open = new Set<Question>()
  const revoked = new Set<string>()
  const isGood = (token: string): boolean => token.startsWith('good') && !revoked.has(token)
  let asked = 0
  const lookup = async (token: string, { signal }: { signal: AbortSignal }): Promise<{ subject: string } | null> => {
    asked++
    return await new Promise((resolve, reject) => {
      const question = {
        due: clock.now + (token.startsWith('good') ? latency : latencyOfOthers),
        answer () {
          open.delete(question)
          try {
            resolve(isGood(token) ? { subject: token } : answer())
          } catch (error) {
            reject(error)
          }
        }
      }
      open.add(question)
      signal.addEventListener('abort', () => open.delete(question))
    })
  }
  const lines: string[] = []
  const app = Fastify({ logger: { level: 'warn', stream: { write: (line: string) => { lines.push(line) } } } })
  t.teardown(() => app.close())
  await app.register(wsIntrospect, { lookup, ...options } as WsIntrospectOptions)
  await app.ready()
  const { stats } = app.wsIntrospect
  let pending = 0
  /** Has a request checked, and says when the answer came. Thousands of whole requests would take minutes. */
  const me = async (token: string, ip: string) => {
    pending++
    const began = clock.now
    const request = { ip, url: '/', headers: { authorization: `Bearer ${token}` }, query: {}, raw: {}, wsIdentity: null }
    const answer = await app.wsIntrospect.authenticate(request as never).then(
      () => ({ status: 200, code: null, retryAfter: undefined }),
      ({ statusCode: status, code, headers }) => ({ status: status as number, code: code as string, retryAfter: headers['retry-after'] as string | undefined })
    )
    pending--
    return { ...answer, took: clock.now - began }
  }
  /** Waits until everything is done that needs no time. */
  const settle = async (): Promise<void> => {
    let before = ''
    for (let calm = 0; calm < 6;) {
      await new Promise(resolve => setImmediate(resolve))
      const state = JSON.stringify([stats, pending, asked, open.size])
      calm = state === before ? calm + 1 : 0
      before = state
    }
  }
  /** Moves the clock by `duration`, in steps; the authority answers what is due. */
  const advance = async (duration: number, each: () => void = () => {}, step = 100): Promise<void> => {
    for (const end = clock.now + duration; clock.now < end;) {
      clock.move(Math.min(clock.now + step, end))
      for (const question of open) if (question.due <= clock.now) question.answer()
      await settle()
      each()
      await settle()
    }
  }
  return { app, clock, open, revoked, lines, stats, me, settle, advance, pending: () => pending, asked: () => asked }
}

type Started = Awaited<ReturnType<typeof start>>

/** Tokens of a flood: each call makes the next. */
const TOKENS: Record<string, () => () => string> = {
  'invented tokens': () => () => randomBytes(32).toString('base64url'),
  'one invented token': () => () => 'the same invented token',
  'expired tokens': () => () => `expired-${randomBytes(16).toString('hex')}`,
  'huge tokens': () => () => randomBytes(4_000).toString('hex'),
  'tokens that are too long': () => () => randomBytes(5_000).toString('hex'),
  'forged JWTs': () => () => ['{"alg":"RS256","kid":"1"}', JSON.stringify({ sub: 'alice', jti: randomBytes(9).toString('hex') })].map(part => Buffer.from(part).toString('base64url')).join('.') + `.${randomBytes(64).toString('base64url')}`
}

/** What the authority does with tokens that it does not know. */
const BEHAVIORS: Record<string, Behavior> = {
  'that needs 100 ms': { latency: 100 },
  'that is slow': { latency: 400 },
  'that is slow to refuse': { latency: 50, latencyOfOthers: 900 },
  'that hangs for others': { latency: 50, latencyOfOthers: Infinity },
  'that fails for others': { latency: 50, answer: () => { throw new Error('500') } },
  'that fails slowly for others': { latency: 50, latencyOfOthers: 500, answer: () => { throw new Error('500') } },
  'that answers others with nonsense': { latency: 50, answer: () => 'nonsense' as never },
  'that calls others expired': { latency: 50, answer: () => ({ subject: 'x', expiresAt: 1 }) as never }
}

/** Addresses that a flood comes from. */
const SOURCES: Record<string, (i: number) => string> = {
  'one address': () => '198.51.100.1',
  'ten addresses': i => `198.51.100.${i % 10}`,
  'a hundred addresses': i => `198.51.100.${i % 100}`,
  'one IPv6 /64': i => `2001:db8::${(i + 1).toString(16)}:${(i * 7 + 1).toString(16)}`
}

/** Begins with `most` requests at once, then keeps as many under way, as far as `more` for each step suffice. */
function flood ({ me }: Started, tokens: () => string, source: (i: number) => string, most = 300, more = 30) {
  let under = 0
  let count = 0
  const answers = new Map<string, number>()
  const refill = (): void => {
    const end = count === 0 ? most : Math.min(most, under + more)
    for (; under < end; under++) {
      me(tokens(), source(count++)).then(({ status, code, retryAfter }) => {
        under--
        const answer = `${status} ${code}${status === 401 || retryAfter !== undefined ? '' : ' without Retry-After'}`
        answers.set(answer, (answers.get(answer) ?? 0) + 1)
      }, () => {})
    }
  }
  return { refill, answers, sent: () => count, isOver: () => under === 0 }
}

/** Eight good tokens that nobody has seen, each of an address of its own. */
async function serveGood (t: Test, started: Started, name: string, refill: () => void): Promise<void> {
  const { me, advance, settle } = started
  const outcomes = Array.from({ length: 8 }, async (_, i) => await me(`good-${name}-${i}`, `192.0.2.${i + 1}`))
  await settle()
  await advance(DEADLINE, refill)
  for (const { status, code, took } of await Promise.all(outcomes)) {
    t.equal(`${status} ${code}`, '200 null', name)
    t.ok(took <= DEADLINE)
  }
}

interface Member {
  tokens: string
  authority: string
  source: string
  circuitBreaker: boolean
}

const PAIRS = [
  ...Object.keys(BEHAVIORS).flatMap(authority => Object.keys(SOURCES).map(source => ({ tokens: 'invented tokens', authority, source }))),
  ...Object.keys(TOKENS).slice(1).map(tokens => ({ tokens, authority: 'that needs 100 ms', source: 'one address' })),
  ...Object.keys(TOKENS).slice(1).map(tokens => ({ tokens, authority: 'that hangs for others', source: 'ten addresses' }))
  // So many addresses hold everything that an authority answers slowly. That is what is left: see below.
].filter(({ authority, source }) => !(source === 'a hundred addresses' && /hangs|slow/.test(authority)))

/** Where the authority fails, both with and without a breaker; elsewhere by turns, since none should open. */
const MEMBERS: Member[] = PAIRS.flatMap((pair, i) =>
  (/fails|nonsense/.test(pair.authority) ? [true, false] : [i % 2 === 0]).map(circuitBreaker => ({ ...pair, circuitBreaker })))

for (const { tokens, authority: behavior, source, circuitBreaker } of MEMBERS) {
  t.test(`${tokens} of ${source}, an authority ${behavior}, ${circuitBreaker ? 'with' : 'without'} breaker`, async t => {
    const started = await start(t, { ...BEHAVIORS[behavior] as Behavior, options: { circuitBreaker } })
    const { app, clock, me, settle, advance, open, pending, lines } = started
    const { refill, answers, sent, isOver } = flood(started, (TOKENS[tokens] as () => () => string)(), SOURCES[source] as (i: number) => string)
    refill()
    await settle()
    await serveGood(t, started, 'while the flood begins', refill)
    // It goes on for as long as it takes to fill everything that can be filled.
    await advance(DEADLINE, refill)
    await serveGood(t, started, 'while the flood goes on', refill)
    t.ok(sent() > 300)
    await serveGood(t, started, 'after the flood', () => {})
    await advance(2 * DEADLINE)
    t.ok(isOver())
    t.equal(pending(), 0)
    t.equal(open.size, 0)
    for (const answer of answers.keys()) {
      t.match(answer, /^(401 WSA_INTROSPECT_ERR_INVALID_TOKEN|503 WSA_INTROSPECT_ERR_(BUSY|UNAVAILABLE)|429 WSA_INTROSPECT_ERR_TOO_MANY_(PENDING|REFUSALS))$/)
    }
    t.equal((await me('good-while the flood begins-0', '198.51.100.1')).status, 200, 'what is cached is answered')
    t.notMatch(lines.join(''), /invented token|expired-|"Bearer/)
    await app.close()
    t.equal(clock.intervals.size, 0, 'no timer is left')
  })
}

t.test('a flood of ever new addresses does not reach known tokens and re-checks', async t => {
  for (const [circuitBreaker, latencyOfOthers] of [[false, 100], [true, 100], [false, Infinity], [true, Infinity]] as const) {
    const started = await start(t, { latency: 100, latencyOfOthers, options: { circuitBreaker, cacheTtl: 1_000, recheckInterval: 60_000 } })
    const { app, me, settle, advance, revoked } = started
    const tokens = Array.from({ length: 8 }, (_, i) => `good ${i}`)
    const before = tokens.map(async (token, i) => await me(token, `192.0.2.${i}`))
    await settle()
    await advance(500)
    for (const { status } of await Promise.all(before)) t.equal(status, 200)
    const { refill } = flood(started, () => randomBytes(16).toString('hex'), i => `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`, 1_500)
    refill()
    await advance(2_000, refill)
    // Their answers are not cached any more. They come from other addresses, of which one is that of a part of the flood.
    const during = tokens.map(async (token, i) => await me(token, i === 0 ? '10.0.0.1' : `203.0.113.${i}`))
    revoked.add('good 7')
    await settle()
    await advance(DEADLINE, refill)
    t.same((await Promise.all(during)).map(({ status, took }) => took <= DEADLINE && status), [...new Array(7).fill(200), 401])
    const stranger = me('good but new', '203.0.113.99')
    await advance(DEADLINE, refill)
    // What is left: nobody can tell it from the invented ones.
    const { status, took, retryAfter } = await stranger
    t.ok(status === 200 || (status === 503 && retryAfter === '1'))
    t.ok(took <= DEADLINE + 100, 'it has an answer within the deadline')
    await advance(3_000)
    const after = me('good but newer', '203.0.113.99')
    await settle()
    await advance(DEADLINE)
    t.equal((await after).status, 200)
    await app.close()
  }
})

t.test('many good users behind one address are not locked out', async t => {
  const started = await start(t, { latency: 50, options: { cacheTtl: 1_000 } })
  const { me, settle, advance, stats } = started
  const users = Array.from({ length: 2_000 }, (_, i) => `good ${i}`)
  const served = new Set<string>()
  for (let round = 0; served.size < users.length && round < 200; round++) {
    const batch = users.filter(user => !served.has(user)).slice(0, 100)
    const answers = batch.map(async user => { if ((await me(user, '192.0.2.1')).status === 200) served.add(user) })
    await settle()
    await advance(DEADLINE)
    await Promise.all(answers)
  }
  t.equal(served.size, 2_000)
  t.equal(stats.limited, 0)
  t.equal(stats.refused, 0)
})

t.test('an address that guesses is stopped, and its known tokens are not', async t => {
  const started = await start(t, { latency: 10, options: { cacheTtl: 1_000, refusalRate: { perSecond: 1, burst: 50 } } })
  const { me, settle, advance, asked } = started
  const first = me('good 1', '192.0.2.1')
  await settle()
  await advance(100)
  t.equal((await first).status, 200)
  const { refill, answers } = flood(started, () => randomBytes(16).toString('hex'), () => '192.0.2.1', 20)
  await advance(10_000, refill)
  t.ok(asked() < 100, `${asked()} questions`)
  t.ok((answers.get('429 WSA_INTROSPECT_ERR_TOO_MANY_REFUSALS') as number) > 1_000)
  const known = me('good 1', '192.0.2.1')
  const [same, other] = [me('good 2', '192.0.2.1'), me('good 2', '192.0.2.2')]
  await settle()
  await advance(100, refill)
  t.match(await known, { status: 200 })
  t.match(await same, { status: 429, code: 'WSA_INTROSPECT_ERR_TOO_MANY_REFUSALS', retryAfter: '1' })
  t.match(await other, { status: 200 })
})

/** A real server and a real authority, which answers about good tokens at once and about others never. Nothing has a deadline. */
async function listen (t: Test, server: object = {}) {
  const open = new Map<string, ServerResponse>()
  const authority = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', chunk => { body += chunk }).on('end', () => {
      const token = new URLSearchParams(body).get('token') as string
      if (token.startsWith('good')) return response.end(JSON.stringify({ active: true, sub: token }))
      open.set(token, response)
    })
  })
  authority.listen(0, '127.0.0.1')
  await once(authority, 'listening')
  const app = Fastify(server)
  t.teardown(async () => {
    app.server.closeAllConnections()
    await app.close()
    authority.closeAllConnections()
    authority.close()
  })
  let arrived = 0
  app.addHook('onRequest', async () => { arrived++ })
  await app.register(websocket, websocketOptions())
  await app.register(wsGuard, { upgradeTimeout: 600_000 })
  await app.register(wsIntrospect, {
    endpoint: `http://127.0.0.1:${(authority.address() as AddressInfo).port}/introspect`, bearerToken: 'ours', timeout: 600_000
  })
  app.get('/me', { preHandler: app.wsIntrospect.authenticate }, async request => request.wsIdentity?.subject)
  app.get('/ws', { websocket: true, preValidation: app.wsGuard({ authenticate: app.wsIntrospect.authenticator() }) }, (socket, request) => {
    app.wsIntrospect.watch(socket, request)
    socket.send('hello')
  })
  await app.listen({ port: 0, host: '0.0.0.0' })
  const { port } = app.server.address() as AddressInfo
  /** Sends a request, and returns it. */
  const get = (token: string, localAddress: string, headers = {}) => {
    const sent = request({ port, host: '127.0.0.1', path: '/me', localAddress, agent: false, headers: { authorization: `Bearer ${token}`, ...headers } })
    sent.on('error', () => {})
    sent.end()
    return sent
  }
  const status = async (sent: ReturnType<typeof get>): Promise<number> => {
    const [response] = await once(sent, 'response')
    response.resume()
    return response.statusCode
  }
  const upgrade = (token: string, localAddress: string, headers = {}) => {
    const client = new WebSocket(`ws://127.0.0.1:${port}/ws`, { localAddress, headers: { authorization: `Bearer ${token}`, ...headers } })
    client.on('error', () => {})
    t.teardown(() => client.terminate())
    return client
  }
  /** Sends an upgrade, and reads no answer. */
  const begin = (token: string, localAddress: string, headers = {}) => {
    const lines = Object.entries({ authorization: `Bearer ${token}`, ...headers }).map(([name, value]) => `${name}: ${value as string}`)
    const socket = net.connect({ port, host: '127.0.0.1', localAddress })
    socket.on('error', () => {})
    t.teardown(() => socket.destroy())
    socket.write(head({ host: `127.0.0.1:${port}`, lines }))
    return socket
  }
  const connections = async (): Promise<number> => await new Promise(resolve => app.server.getConnections((_error, count) => resolve(count)))
  return { app, open, get, status, upgrade, begin, connections, arrived: () => arrived }
}

const until = async (condition: () => boolean | Promise<boolean>): Promise<void> => {
  while (!await condition()) await new Promise(resolve => setTimeout(resolve, 5))
}

t.test('over real connections: others are served while an address holds what it can', async t => {
  for (const proxied of [false, true]) {
    const { app, open, get, status, upgrade, begin, arrived, connections } = await listen(t, proxied ? { trustProxy: '127.0.0.0/8' } : {})
    /** The address of the socket, and the headers of a proxy. */
    const from = (i: number): [string, object] => proxied ? ['127.0.0.1', { 'x-forwarded-for': `192.0.2.${i}` }] : [`127.0.0.${i}`, {}]
    const { stats } = app.wsIntrospect
    const flood = [
      ...Array.from({ length: 150 }, (_, i) => get(`invented ${i}`, ...from(2))), ...Array.from({ length: 50 }, (_, i) => get(`invented too ${i}`, ...from(3)))
    ]
    const upgrades = Array.from({ length: 50 }, (_, i) => begin(`also-invented-${i}`, ...from(2)))
    await until(() => arrived() === 250 && stats.asked === open.size)
    const held = open.size
    t.ok(held >= 8 && held <= 11, `${held} are asked`)
    for (let i = 4; i < 12; i++) {
      const client = upgrade(`good-${i}`, ...from(i))
      t.equal(String(await once(client, 'message').then(([data]) => data)), 'hello')
      t.equal(await status(get(`good-too-${i}`, ...from(i))), 200)
    }
    t.match(await app.wsIntrospect.recheck('good-4'), { kept: 1 })
    t.equal(open.size, held)
    t.equal(stats.busy + stats.limited, 0, 'all others wait')
    // They leave, and what they have not asked yet is not asked any more.
    for (const sent of flood) sent.destroy()
    // Node notices a reset of an upgrade, and no orderly end before it is read.
    for (const socket of upgrades) socket.resetAndDestroy()
    await until(async () => await connections() === 8)
    for (const response of open.values()) response.end('{"active":false}')
    await until(() => stats.refused === held)
    t.equal(await status(get('good-again', ...from(2))), 200)
    t.equal(stats.asked, held + 8 + 8 + 1 + 1)
    t.equal(app.wsGuard.pending, 0)
    t.equal(app.wsIntrospect.size, 8)
  }
})
