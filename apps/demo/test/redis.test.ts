import { requireServer, startRedis } from '@fastify-airlock/test-servers'
import t from 'tap'
import { build, http, listen, login, pass } from './helpers.js'
import { connected, nodesContract, until } from './nodes.js'

t.test('tickets and the bus in Redis', async t => {
  const redis = requireServer(t, await startRedis())
  if (redis === null) return
  t.teardown(() => redis.stop())
  await nodesContract(t, { REDIS_URL: redis.url, TICKET_STORE: 'redis' })
})

t.test('Redis is away at start, comes, and goes away again', async t => {
  const redis = requireServer(t, await startRedis())
  if (redis === null) return
  t.teardown(() => redis.stop())
  await redis.kill()

  const environment = { REDIS_URL: redis.url, TICKET_STORE: 'redis' }
  const [one, two] = [await listen(t, environment), await listen(t, environment)]
  const [token, admin] = [await login(one.origin, 'alice'), await login(one.origin, 'admin')]
  t.type(token, 'string', 'sessions need no Redis')
  const ask = (origin: string) => http('POST', `${origin}/ws/ticket`, { token })
  const refused = async () => {
    const start = performance.now()
    t.match(await ask(one.origin), { status: 503, body: { code: 'WSA_TICKET_ERR_UNAVAILABLE' } })
    t.ok(performance.now() - start < 25_000)
  }
  const itWorks = async () => {
    for (const { origin } of [one, two]) await until(async () => (await ask(origin)).status === 201, 'a ticket')
    await connected([one, two])
  }

  await refused()
  t.match(await http('GET', `${one.origin}/healthz`), { status: 200, body: { status: 'degraded', bus: 'down' } })
  await redis.restart()
  await itWorks()
  t.match(await http('GET', `${one.origin}/healthz`), { status: 200, body: { status: 'ok', bus: 'up' } })

  const [here, there] = [await pass(t, one.origin, token, '/ws/kiosk'), await pass(t, two.origin, token, '/ws/kiosk')]
  await redis.kill()
  const losses = () => one.lines.map(line => JSON.parse(line).msg).filter(line => line.startsWith('Redis is away')).sort()
  await until(() => losses().length === 6, 'the losses are logged')
  await refused()
  t.strictSame((await http('POST', `${one.origin}/kiosk/reset`, { token: admin })).body, { delivered: 1 })
  await here.next('reset')
  here.send({ type: 'echo', data: 'served on' })
  await here.next('echo')

  await redis.restart()
  await itWorks()
  await http('POST', `${one.origin}/broadcast`, { token: admin, json: { data: 'again' } })
  t.match(await there.next('broadcast'), { data: 'again' })
  t.strictSame(losses(), ['no tickets', 'no tickets', 'the bus receives nothing', 'the bus receives nothing',
    'the bus sends nothing', 'the bus sends nothing'].map(what => `Redis is away: ${what}`), 'each loss is logged once')
})

t.test('a wrong password for Redis does not keep the app from starting, and is in no log line', async t => {
  const redis = requireServer(t, await startRedis())
  if (redis === null) return
  t.teardown(() => redis.stop())
  const { app, lines } = await build(t, {
    REDIS_URL: redis.url.replace('//', '//nobody:tell-no-one@'), TICKET_STORE: 'redis', LOG_LEVEL: 'trace'
  })
  await app.ready()
  await until(() => lines.filter(line => line.includes('WRONGPASS')).length >= 3, 'the errors are logged')
  t.equal((await app.inject('/healthz')).statusCode, 200)
  t.notMatch(lines.join(''), /tell-no-one/)
})
