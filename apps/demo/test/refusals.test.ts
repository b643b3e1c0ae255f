// Takes long: it starts the whole demo for each case.
import { once } from 'node:events'
import net from 'node:net'
import { randomBytes } from 'node:crypto'
import t from 'tap'
import { Refusals } from '../src/refusals.js'
import { build, Client, getTicket, http, listen, login, portOf } from './helpers.js'

const name = () => randomBytes(16).toString('base64url')
const body = (code = 'CODE') => JSON.stringify({ statusCode: 401, code, error: 'Unauthorized', message: 'no' })

t.test('a page can read the answer to its refused upgrade', async t => {
  const { origin } = await listen(t)
  const token = await login(origin, 'alice')
  const used = await getTicket(origin, token)
  await new Client(t, origin, `/ws/demo?ticket=${used}`).upgraded
  const fresh = await getTicket(origin, token)
  for (const [path, options, expected] of [
    ['/ws/demo?', {}, { statusCode: 401, code: 'WSA_GUARD_ERR_NO_CREDENTIAL', message: 'A credential is required' }],
    [`/ws/demo?ticket=${used}&`, {}, { statusCode: 401, code: 'WSA_GUARD_ERR_INVALID_CREDENTIAL', message: 'The credential is not valid' }],
    [`/ws/demo?ticket=${fresh}&`, { origin: 'null' }, { statusCode: 403, code: 'WSA_GUARD_ERR_ORIGIN', message: 'Origin not allowed' }],
    ['/ws/nowhere?token=secret&', {}, { statusCode: 404, code: 'FST_ERR_NOT_FOUND', message: 'Route GET:/ws/nowhere not found' }]
  ] as const) {
    const attempt = name()
    const { status } = await new Client(t, origin, `${path}attempt=${attempt}`, [], options).upgraded
    t.equal(status, expected.statusCode, path)
    for (const time of ['once', 'again']) {
      const answer = await http('GET', `${origin}/refusals/${attempt}`)
      t.equal(answer.status, 200, time)
      t.strictSame(answer.body, expected)
      t.equal(answer.headers.get('cache-control'), 'no-store')
    }
  }
})

t.test('refusals by a schema, by other plugins and by other hooks are kept too', async t => {
  const { app, lines } = await build(t, { LOG_LEVEL: 'silent' })
  app.get('/ws/strict', { websocket: true, schema: { querystring: { type: 'object', required: ['room'] } } }, () => {})
  app.get('/ws/busy', { websocket: true, onRequest: async () => { throw new Error('the inner workings') } }, () => {})
  app.get('/ws/limited', { websocket: true, config: { rateLimit: { max: 0, timeWindow: 60_000 } } }, () => {})
  await app.listen({ host: '127.0.0.1', port: 0 })
  const origin = `http://127.0.0.1:${portOf(app)}`
  for (const [path, expected] of [
    ['/ws/strict', { statusCode: 400, code: 'FST_ERR_VALIDATION' }],
    ['/ws/busy', { statusCode: 500, code: 'WSA_DEMO_ERR_INTERNAL', message: 'Something went wrong' }],
    ['/ws/limited', { statusCode: 429, code: 'WSA_DEMO_ERR_TOO_MANY_REQUESTS' }]
  ] as const) {
    const attempt = name()
    t.equal((await new Client(t, origin, `${path}?attempt=${attempt}`).upgraded).status, expected.statusCode)
    t.match((await http('GET', `${origin}/refusals/${attempt}`)).body, expected)
  }
  t.strictSame(lines, [])
})

t.test('nothing is kept of a request that is no upgrade, succeeds, or has no valid name', async t => {
  const { origin } = await listen(t)
  const token = await login(origin, 'alice')
  const [plain, good, short] = [name(), name(), 'a'.repeat(15)]
  await http('GET', `${origin}/ws/demo?attempt=${plain}`)
  await http('GET', `${origin}/me?attempt=${plain}`)
  t.equal((await new Client(t, origin, `/ws/demo?attempt=${good}&ticket=${await getTicket(origin, token)}`).upgraded).status, 101)
  await new Client(t, origin, `/ws/demo?attempt=${short}`).upgraded
  for (const attempt of [plain, good, short, name(), 'x'.repeat(65), '%00', '__proto__']) {
    const answer = await http('GET', `${origin}/refusals/${attempt}`)
    t.equal(answer.status, 404, attempt)
    t.equal(answer.body.code, 'WSA_DEMO_ERR_NO_REFUSAL')
  }
})

t.test('the answer is kept before the client receives it', async t => {
  const { app, origin } = await listen(t)
  const attempt = name()
  const socket = net.connect(portOf(app), '127.0.0.1')
  t.teardown(() => socket.destroy())
  socket.write(`GET /ws/demo?attempt=${attempt} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`)
  await once(socket, 'data')
  t.match((await http('GET', `${origin}/refusals/${attempt}`)).body, { statusCode: 400, code: 'WSA_GUARD_ERR_NOT_UPGRADE' })
})

t.test('names have 16 to 64 characters of A-Z a-z 0-9 _ -', async t => {
  const refusals = new Refusals()
  t.teardown(() => refusals.close())
  for (const attempt of [undefined, '', 'a'.repeat(15), 'a'.repeat(65), `${'a'.repeat(16)}\n`, 'a'.repeat(16) + '/', [name(), name()]]) {
    refusals.keep(attempt, 401, body())
  }
  for (const text of [undefined, Buffer.from(body()), body('x'.repeat(512))]) refusals.keep(name(), 401, text)
  t.equal(refusals.size, 0)
  for (const attempt of ['a'.repeat(16), 'Z'.repeat(64), '0123456789abc-_XYZ']) {
    refusals.keep(attempt, 401, body())
    t.strictSame(refusals.find(attempt), { statusCode: 401, code: 'CODE', message: 'no' })
  }
})

t.test('the number is limited: the oldest answer goes, and a repeated attempt counts as new', async t => {
  const refusals = new Refusals({ size: 3 })
  t.teardown(() => refusals.close())
  const [a, b, c, d, e] = [name(), name(), name(), name(), name()]
  for (const attempt of [a, b, c, a, d, e]) refusals.keep(attempt, 401, body(attempt.slice(0, 4)))
  t.equal(refusals.size, 3)
  for (const attempt of [b, c]) t.equal(refusals.find(attempt), null)
  for (const attempt of [a, d, e]) t.match(refusals.find(attempt), { code: attempt.slice(0, 4) })
})

t.test('an answer is forgotten after its time, and close forgets all', async t => {
  let now = 0
  const refusals = new Refusals({ ttl: 50, now: () => now })
  const [attempt, later] = [name(), name()]
  refusals.keep(attempt, 401, body())
  now = 49
  refusals.keep(later, 401, body())
  t.ok(refusals.find(attempt))
  now = 50
  t.equal(refusals.find(attempt), null)
  t.ok(refusals.find(later))
  t.equal(refusals.size, 1)
  refusals.close()
  t.equal(refusals.size, 0)
})

t.test('a stranger cannot empty them: a flood takes the places of its own address, and the newest is always there', async t => {
  const { app, origin } = await listen(t, { TRUST_PROXY: '127.0.0.1' })
  const refuse = async (attempt: string, address: string) => await new Client(t, origin, `/ws/demo?attempt=${attempt}`, [], { headers: { 'x-forwarded-for': address } }).upgraded
  const find = async (attempt: string) => (await http('GET', `${origin}/refusals/${attempt}`)).status
  const [mine, neighbor] = [name(), name()]
  await refuse(mine, '192.0.2.1')
  await refuse(neighbor, '192.0.2.7')
  for (let round = 0; round < 20; round++) await Promise.all(Array.from({ length: 60 }, async () => await refuse(name(), '192.0.2.7')))
  t.equal(await find(mine), 200)
  t.equal(await find(neighbor), 200, 'the first ones of the address stay as well')
  const newest = name()
  await refuse(newest, '192.0.2.7')
  t.equal(await find(newest), 200)
  t.ok(app.server.listening)
})

t.test('addresses give places back, and all of them together have a limit', async t => {
  const refusals = new Refusals({ size: 5, perAddress: 2 })
  t.teardown(() => refusals.close())
  const names = Array.from({ length: 8 }, name)
  const [a, b, c, d, e, f, g, h] = names as [string, string, string, string, string, string, string, string]
  for (const [attempt, address] of [[a, '1'], [b, '1'], [c, '1'], [d, '2'], [e, '3'], [f, '4'], [g, '5'], [h, '1']]) refusals.keep(attempt, 401, body(), address)
  t.strictSame(names.map(attempt => refusals.find(attempt) !== null), [false, false, false, true, true, true, true, true])
  refusals.keep(name(), 401, body(), '6')
  t.equal(refusals.find(d), null, 'the oldest of all')
  t.equal(refusals.size, 5)
})
