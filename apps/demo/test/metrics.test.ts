import { hasSubscribers } from 'node:diagnostics_channel'
import t from 'tap'
import { build, Client, enter, getTicket, http, listen, login, pass, portOf, sign } from './helpers.js'

const CHANNELS = ['airlock:guard:refuse', 'airlock:handshake:refuse', 'airlock:handshake:open', 'airlock:hub:refuse']

/** The metrics by name and labels. */
async function figures (origin: string): Promise<Record<string, number>> {
  const text = await (await fetch(`${origin}/metrics`)).text()
  return Object.fromEntries(text.split('\n')
    .filter(line => line !== '' && !line.startsWith('#'))
    .map(line => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]))
}

t.test('events are counted', async t => {
  const { app } = await build(t, { MAX_CONNECTIONS_PER_USER: '1', LOG_LEVEL: 'silent' })
  app.get('/teapot', async () => { throw Object.assign(new Error('no'), { code: 'SOME_CODE', statusCode: 418 }) })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const origin = `http://127.0.0.1:${portOf(app)}`
  const [alice, bob, admin] = [await login(origin, 'alice'), await login(origin, 'bob'), await login(origin, 'admin')]

  t.match(await figures(origin), {
    'airlock_connections{state="pending"}': 0,
    'airlock_connections{state="unauthenticated"}': 0,
    'airlock_connections{state="authenticated"}': 0,
    airlock_hub_deliveries_total: 0,
    'airlock_hub_drops_total{reason="slow"}': 0,
    'airlock_hub_drops_total{reason="failed"}': 0,
    airlock_heartbeat_pings_total: 0,
    airlock_heartbeat_terminated_total: 0,
    airlock_handshake_duration_seconds_count: 0,
    'airlock_http_responses_total{status="200"}': 3
  })

  const client = await pass(t, origin, alice)
  await enter(t, origin, bob)
  await (await pass(t, origin, alice)).closed
  const wrong = await enter(t, origin, alice)
  wrong.send({ type: 'auth', token: bob })
  await wrong.closed
  await new Client(t, origin, '/ws/demo', [], { origin: 'https://evil.example' }).upgraded
  await new Client(t, origin, '/ws/demo').upgraded
  await new Client(t, origin, '/ws/demo').upgraded
  await http('GET', `${origin}/me`)
  await http('GET', `${origin}/teapot`)
  await http('POST', `${origin}/broadcast`, { token: admin, json: { data: 'heard by one' } })
  await client.next('broadcast')

  const counted = await figures(origin)
  t.match(counted, {
    'airlock_connections{state="pending"}': 0,
    'airlock_connections{state="unauthenticated"}': 1,
    'airlock_connections{state="authenticated"}': 1,
    airlock_hub_deliveries_total: 1,
    'airlock_refusals_total{by="guard",code="WSA_GUARD_ERR_ORIGIN"}': 1,
    'airlock_refusals_total{by="guard",code="WSA_GUARD_ERR_NO_CREDENTIAL"}': 2,
    'airlock_refusals_total{by="handshake",code="4403"}': 1,
    'airlock_refusals_total{by="hub",code="subject"}': 1,
    'airlock_refusals_total{by="http",code="WSA_DEMO_ERR_NOT_AUTHENTICATED"}': 1,
    'airlock_refusals_total{by="http",code="other"}': 1,
    airlock_handshake_duration_seconds_count: 2,
    'airlock_http_responses_total{status="418"}': 1,
    'airlock_http_responses_total{status="401"}': 3
  })
  t.ok((counted.airlock_handshake_duration_seconds_sum as number) < 10, 'in seconds')
  t.ok((counted.process_cpu_seconds_total as number) > 0, 'and what the process uses')

  await http('POST', `${origin}/logout`, { token: alice })
  await client.closed
  t.match(await figures(origin), {
    'airlock_connections{state="authenticated"}': 0,
    'airlock_hub_closes_total{reason="disconnected"}': 1
  })
})

t.test('in the text format, without anything that clients sent', async t => {
  const { origin } = await listen(t)
  const token = await login(origin, 'alice')
  const ticket = await getTicket(origin, token)
  await new Client(t, origin, `/ws/demo?ticket=${ticket}&secret=hidden`).upgraded
  await http('GET', `${origin}/hidden`)
  const response = await fetch(`${origin}/metrics`)
  t.equal(response.status, 200)
  t.match(response.headers.get('content-type'), /^text\/plain; version=0\.0\.4/)
  t.equal(response.headers.get('cache-control'), 'no-store')
  const text = await response.text()
  t.match(text, /^# HELP airlock_connections .+\n# TYPE airlock_connections gauge\n/m)
  t.notMatch(text, /airlock_bus/, 'there is no bus')
  for (const word of [ticket, token, 'alice', 'hidden']) t.notOk(text.includes(word))
})

t.test('two apps of one process count separately', async t => {
  const [one, two] = [await build(t), await build(t)]
  await one.app.inject('/healthz')
  t.match((await one.app.inject('/metrics')).body, /airlock_http_responses_total\{status="200"\} 1\n/)
  t.notMatch((await two.app.inject('/metrics')).body, /airlock_http_responses_total\{/)
})

t.test('METRICS turns it off, and closing the app stops counting', async t => {
  const off = await build(t, { METRICS: 'false' })
  t.equal((await off.app.inject('/metrics')).statusCode, 404)
  for (const channel of CHANNELS) t.notOk(hasSubscribers(channel), channel)
  const on = await build(t)
  await on.app.ready()
  for (const channel of CHANNELS) t.ok(hasSubscribers(channel), channel)
  await on.app.close()
  for (const channel of CHANNELS) t.notOk(hasSubscribers(channel), channel)
  t.equal((await off.app.inject({ url: '/me', cookies: { session: sign({ sub: 'alice' }) } })).statusCode, 200)
})
