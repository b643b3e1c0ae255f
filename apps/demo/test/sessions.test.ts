// Takes long: it starts the whole demo for each case.
import type { HubBus } from '@fastify-airlock/hub'
import { EventEmitter } from 'node:events'
import mqemitter from 'mqemitter'
import t, { type Test } from 'tap'
import { deviceOf, type SessionEntry, Sessions } from '../src/sessions.js'
import { SESSIONS_TOPIC, SharedSessions } from '../src/shared-sessions.js'
import { listenWithSystems } from './external-helpers.js'
import { build, Client, foreignToken, getTicket, http, listen, login, pass, sign } from './helpers.js'
import { until as eventually } from './nodes.js'

const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0'
const SAFARI = 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1'

const until = Date.now() + 900_000
const entry = (id: string, more: Partial<SessionEntry> = {}): SessionEntry =>
  ({ id, subject: 'alice', since: 1, device: 'curl', until, ...more })

/** Logs in from a device. */
async function loginFrom (origin: string, username: 'alice' | 'bob', userAgent: string): Promise<{ token: string, id: string }> {
  const password = { alice: 'wonderland', bob: 'builder' }[username]
  const { body: { token } } = await http('POST', `${origin}/login`, { json: { username, password }, headers: { 'user-agent': userAgent } })
  return { token, id: JSON.parse(Buffer.from(token.split('.')[1], 'base64url').toString()).sid }
}

const listOf = async (origin: string, token: string) => (await http('GET', `${origin}/sessions`, { token })).body

t.test('a user sees their own sessions: which one this is, since when, from what, and how many sockets', async t => {
  const { origin } = await listenWithSystems(t)
  const before = Math.floor(Date.now() / 1_000) * 1_000
  const phone = await loginFrom(origin, 'alice', SAFARI)
  const laptop = await loginFrom(origin, 'alice', FIREFOX)
  const bob = await loginFrom(origin, 'bob', 'curl/8.14.1')
  await pass(t, origin, laptop.token)
  await pass(t, origin, laptop.token, '/ws/kiosk')
  await pass(t, origin, laptop.token, '/ws/upstream')
  const bearer = new Client(t, origin, '/ws/bearer', [], { headers: { authorization: `Bearer ${laptop.token}` } })
  await bearer.next('tick')
  await pass(t, origin, phone.token)

  const answer = await http('GET', `${origin}/sessions`, { token: phone.token })
  t.equal(answer.headers.get('cache-control'), 'no-store')
  const byId = new Map(answer.body.map((session: { id: string }) => [session.id, session]))
  t.equal(byId.size, 2)
  t.match(byId.get(phone.id), { current: true, device: 'Safari on iOS', sockets: 1 })
  t.match(byId.get(laptop.id), { current: false, device: 'Firefox on Linux', sockets: 4 })
  for (const { since } of answer.body) t.ok(since >= before && since <= Date.now())
  t.strictSame(Object.keys(answer.body[0]).sort(), ['current', 'device', 'id', 'since', 'sockets'], 'and nothing else')
  t.match(await listOf(origin, bob.token), [{ id: bob.id, current: true, device: 'curl', sockets: 0 }])

  bearer.socket.close()
  await eventually(async () => (await listOf(origin, phone.token)).find(({ id }: { id: string }) => id === laptop.id).sockets === 3, 'closed')
  const { body: { token: renewed } } = await http('POST', `${origin}/session`, { token: laptop.token, headers: { 'user-agent': SAFARI } })
  t.match((await listOf(origin, renewed)).find(({ current }: { current: boolean }) => current), { id: laptop.id, device: 'Firefox on Linux' }, 'a renewal is the same session')
})

t.test('a user ends one of their sessions: its JWTs, sockets and tickets, and no other', async t => {
  const { app, origin } = await listen(t)
  const [here, there, bob] = [await loginFrom(origin, 'alice', FIREFOX), await loginFrom(origin, 'alice', SAFARI), await loginFrom(origin, 'bob', SAFARI)]
  const kept = [await pass(t, origin, here.token), await pass(t, origin, bob.token)]
  const ended = [await pass(t, origin, there.token), await pass(t, origin, there.token, '/ws/kiosk')]
  const bearer = new Client(t, origin, '/ws/bearer', [], { headers: { authorization: `Bearer ${there.token}` } })
  await bearer.next('tick')
  const ticket = await getTicket(origin, there.token)

  const end = async (id: string, token = here.token) => await http('POST', `${origin}/sessions/${id}/end`, { token })
  for (const [what, id] of [['of somebody else', bob.id], ['of nobody', 'x'], ['long', 'x'.repeat(64)], ['odd', encodeURIComponent('a/b')]] as const) {
    t.match(await end(id), { status: 404, body: { code: 'WSA_DEMO_ERR_NO_SESSION' } }, what)
  }
  t.match(await end('x'.repeat(65)), { status: 400 })
  t.match(await http('POST', `${origin}/sessions/${there.id}/end`), { status: 401 })

  const answer = await end(there.id)
  t.equal(answer.status, 204)
  t.equal(answer.headers.get('set-cookie'), null, 'the cookie of this session stays')
  t.equal(answer.headers.get('cache-control'), 'no-store')
  for (const { closed } of [...ended, bearer]) t.match(await closed, { code: 4403 })
  t.equal(await app.wsTickets.redeem(ticket), null)
  for (const [method, path] of [['GET', '/me'], ['POST', '/session'], ['POST', '/ws/ticket'], ['GET', '/sessions']] as const) {
    t.equal((await http(method, origin + path, { token: there.token })).status, 401, path)
  }
  for (const client of kept) t.equal(client.socket.readyState, client.socket.OPEN)
  t.match(await listOf(origin, here.token), [{ id: here.id, current: true, sockets: 1 }])
  t.match(await end(there.id), { status: 404 }, 'once')
  t.equal((await pass(t, origin, here.token)).socket.readyState, 1, 'this session still opens sockets')

  const last = await end(here.id)
  t.match([last.status, last.headers.get('set-cookie')], [204, /^session=; /], 'ending this one is a logout')
  t.match(await (kept[0] as Client).closed, { code: 4403 })
})

t.test('logout ends one login only', async t => {
  const { origin } = await listen(t)
  const [one, two] = [await login(origin, 'alice'), await login(origin, 'alice')]
  const [ended, kept] = [await pass(t, origin, one), await pass(t, origin, two)]
  t.equal((await http('POST', `${origin}/logout`, { token: one })).status, 204)
  t.match(await ended.closed, { code: 4403 })
  kept.send({ type: 'echo', data: 'I stay' })
  t.match(await kept.next('echo'), { data: 'I stay' })
  t.equal((await http('GET', `${origin}/me`, { token: two })).status, 200)
  t.equal((await listOf(origin, two)).length, 1)
})

t.test('logout of a JWT of another issuer, without a sid, ends what has the same jti', async t => {
  const { origin } = await listen(t)
  const tokens = [sign({ sub: 'carol', jti: 'one' }), sign({ sub: 'carol', jti: 'two' }), foreignToken({ sub: 'dave', exp: Math.floor(until / 1_000) }), sign({ sub: 'dave', sid: 'one' })] as const
  const clients = await Promise.all(tokens.map(token => pass(t, origin, token)))
  for (const token of tokens.slice(0, 3)) t.strictSame(await listOf(origin, token), [], 'it is no session that could be listed')
  await http('POST', `${origin}/logout`, { token: tokens[0] })
  t.match(await clients[0]?.closed, { code: 4403 })
  t.equal(clients[1]?.socket.readyState, 1)
  await http('POST', `${origin}/logout`, { token: tokens[2] })
  t.match(await clients[2]?.closed, { code: 4403 }, 'without a jti, what the user has without a session')
  t.equal(clients[3]?.socket.readyState, 1, 'another login')
})

t.test('a session from before a restart is listed once it is used', async t => {
  const { app } = await build(t)
  const token = sign({ sub: 'alice', sid: 'old', auth_time: Math.floor(Date.now() / 1_000) - 60 })
  const response = await app.inject({ url: '/sessions', cookies: { session: token }, headers: { 'user-agent': FIREFOX } })
  t.match(response.json(), [{ id: 'old', current: true, device: 'Firefox on Linux', sockets: 0 }])
})

t.test('devices', async t => {
  for (const [userAgent, device] of [
    [FIREFOX, 'Firefox on Linux'],
    [SAFARI, 'Safari on iOS'],
    ['Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36', 'Chrome on Windows'],
    ['node', 'node'],
    ['curl/8.14.1', 'curl'],
    ['x'.repeat(5_000), 'x'.repeat(64)],
    ['<script>', 'unknown device'],
    ['', 'unknown device'],
    [undefined, 'unknown device']
  ] as const) t.equal(deviceOf(userAgent), device)
})

t.test('the latest hundred of a user are listed, until they are over', async t => {
  const sessions = new Sessions()
  t.teardown(() => sessions.close())
  for (let since = 0; since < 150; since++) sessions.add(entry(`${since}`, { since }))
  sessions.add(entry('b', { subject: 'bob', device: 'x'.repeat(100) }))
  t.equal(sessions.of('alice').length, 100)
  t.match(sessions.of('alice')[0], { id: '149', sockets: 0 }, 'the latest first')
  t.equal(sessions.of('bob')[0]?.device.length, 64)
  t.equal(sessions.entries.length, 101)
  t.strictSame(sessions.of('nobody'), [])
  sessions.add(entry('soon', { subject: 'carol', until: Date.now() + 50 }))
  sessions.add(entry('later', { subject: 'carol' }))
  sessions.add(entry('alone', { subject: 'dave', until: Date.now() + 50 }))
  await eventually(() => sessions.of('carol').length === 1 && sessions.of('dave').length === 0, 'over')
})

const socket = () => new EventEmitter()

t.test('sockets are counted until they close', async t => {
  const sessions = new Sessions()
  t.teardown(() => sessions.close())
  const [one, two, none] = [socket(), socket(), socket()]
  sessions.count(one, { sid: 'a' })
  sessions.count(two, { sid: 'a' })
  sessions.count(none, {})
  t.strictSame(sessions.counts, [['a', 2]])
  one.emit('close')
  t.equal(sessions.socketsOf('a'), 1)
  two.emit('close')
  none.emit('close')
  t.strictSame(sessions.counts, [])
})

function share (t: Test, bus: HubBus, options: { isUp?: () => boolean, period?: number } = {}) {
  const sessions = new SharedSessions({ bus, isUp: () => true, ...options })
  t.teardown(() => sessions.close())
  return sessions
}

t.test('nodes share sessions and counts, also with one that starts later', async t => {
  const bus = mqemitter()
  const [one, two] = [share(t, bus), share(t, bus)]
  one.add(entry('a'))
  one.add(entry('a', { device: 'another' }))
  one.count(socket(), { sid: 'a' })
  const closing = socket()
  two.count(closing, { sid: 'a' })
  for (const sessions of [one, two]) await eventually(() => sessions.of('alice')[0]?.sockets === 2, 'both')
  t.strictSame(two.of('alice'), [{ ...entry('a'), sockets: 2 }], 'the first report counts')
  const three = share(t, bus)
  await eventually(() => three.of('alice')[0]?.sockets === 2, 'late')
  closing.emit('close')
  for (const sessions of [one, two, three]) await eventually(() => sessions.of('alice')[0]?.sockets === 1, 'closed')
})

t.test('many sessions go in several messages', async t => {
  const bus = mqemitter()
  const one = share(t, bus)
  const sizes: number[] = []
  bus.on(SESSIONS_TOPIC, ({ news }, done) => {
    const { counts } = JSON.parse(news)
    if (counts?.length > 0) sizes.push(counts.length)
    done()
  })
  for (let index = 0; index < 1_500; index++) one.count(socket(), { sid: `${index}` })
  await eventually(() => sizes.length === 2, 'told')
  t.strictSame(sizes.splice(0), [1_000, 500])
  const two = share(t, bus)
  await eventually(() => two.socketsOf('0') === 1 && two.socketsOf('1499') === 1, 'asked for')
})

t.test('a node that is silent does not count, and does again when it is heard', async t => {
  const bus = mqemitter()
  let up = true
  const one = share(t, bus, { period: 20 })
  const two = share(t, bus, { period: 20, isUp: () => up })
  one.add(entry('a'))
  two.count(socket(), { sid: 'a' })
  await eventually(() => one.of('alice')[0]?.sockets === 1, 'counted')
  up = false
  await eventually(() => one.of('alice')[0]?.sockets === 0, 'silent')
  up = true
  await eventually(() => one.of('alice')[0]?.sockets === 1, 'back')
})

t.test('a malformed message does no harm', async t => {
  const bus = mqemitter()
  const sessions = share(t, bus)
  const good = entry('good')
  const news: unknown[] = [
    undefined, 1, '', '{', 'null', '[]', '{"node":1}', '{"node":"x","entries":1,"counts":1,"ask":"yes"}',
    JSON.stringify({ node: 'x', entries: [null, 1, {}, { ...good, id: 1 }, { ...good, until: '1' }, { ...good, since: null }, good], counts: [null, [], ['good'], [1, 1], ['good', -1], ['good', 1.5], ['good', '1'], ['good', 3]] })
  ]
  for (const text of news) await new Promise(resolve => bus.emit({ topic: SESSIONS_TOPIC, news: text }, resolve))
  t.strictSame(sessions.of('alice'), [{ ...good, sockets: 3 }])
})

t.test('after close it ignores messages', async t => {
  const bus = mqemitter()
  const sessions = share(t, bus)
  sessions.count(socket(), { sid: 'a' })
  sessions.close()
  // mqemitter takes a turn to forget a listener.
  await new Promise(resolve => setImmediate(resolve))
  await new Promise(resolve => bus.emit({ topic: SESSIONS_TOPIC, news: JSON.stringify({ node: 'x', entries: [entry('a')] }) }, resolve))
  t.strictSame(sessions.entries, [])
})
