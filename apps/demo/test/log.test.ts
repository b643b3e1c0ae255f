import { demoClient } from '@fastify-airlock/authority'
import t from 'tap'
import { externalLogin, listenWithSystems, UPSTREAM_KEY } from './external-helpers.js'
import { Client, enter, getTicket, http, listen, login, pass } from './helpers.js'

t.test('no log line contains a ticket, a JWT or a password', async t => {
  const { app, lines, origin } = await listen(t, { LOG_LEVEL: 'trace', AUTH_TIMEOUT_MS: '300' })
  const secrets = ['wonderland']
  const keep = <T extends string>(secret: T): T => { secrets.push(secret); return secret }
  const ticket = async () => keep(await getTicket(origin, token))
  const token = keep(await login(origin, 'alice'))
  const bob = keep(await login(origin, 'bob'))
  const admin = keep(await login(origin, 'admin'))
  const { body: renewed } = await http('POST', `${origin}/session`, { headers: { cookie: `session=${token}` } })
  keep(renewed.token)
  const cookie = (value: string) => ({ headers: { cookie: `session=${token}; ticket=${value}`, origin } })

  // Accepted, on every carrier.
  await pass(t, origin, token)
  for (const client of [
    new Client(t, origin, `/ws/demo?ticket=${await ticket()}`),
    new Client(t, origin, '/ws/demo', ['airlock.v1'], cookie(await ticket())),
    new Client(t, origin, '/ws/bearer', ['airlock.v1', `bearer.${token}`])
  ]) {
    t.equal((await client.upgraded).status, 101)
    client.send({ type: 'auth', token })
    await client.nextText()
  }
  await http('POST', `${origin}/broadcast`, { token: admin, json: { data: 'hello' } })
  await http('POST', `${origin}/broadcast`, { token, json: { data: 'hello' } })
  await http('POST', `${origin}/admin/disconnect`, { token: admin, json: { user: 'bob' } })
  await http('POST', `${origin}/session`, { token, headers: { origin: 'https://evil.example' } })

  // Refused upgrades of every kind.
  const used = await ticket()
  await new Client(t, origin, `/ws/demo?ticket=${used}`).upgraded
  for (const [path, protocols, options] of [
    [`/ws/demo?ticket=${used}`, [], {}],
    [`/ws/demo?ticket=${await ticket()}&ticket=${used}`, [], {}],
    [`/ws/demo?TICKET=${await ticket()}`, [], {}],
    [`/ws/demo?%74icket=${used}`, [], {}],
    [`/ws/demo?attempt=0123456789abcdef&ticket=${used}`, [], {}],
    [`/ws/demo?ticket=${await ticket()}`, [], { origin: 'https://evil.example' }],
    [`/ws/nowhere?ticket=${await ticket()}&token=${token}`, [], {}],
    ['/ws/demo', [`ticket.${await ticket()}`], {}],
    ['/ws/demo', ['airlock.v1', `ticket.${await ticket()}`, `bearer.${token}`], {}],
    ['/ws/bearer', ['airlock.v1', `bearer.${token}x`], {}],
    [`/ws/bearer?token=${token}`, [], {}],
    [`/ws/demo/%zz?ticket=${await ticket()}`, [], {}]
  ] as const) {
    const client = new Client(t, origin, path, [...protocols], options)
    t.not((await client.upgraded).status, 101, path.replace(/=.*/, ''))
  }
  for (const path of ['/ws/demo', '/nothing', '/healthz', '/', '/login', '/ws/ticket']) {
    await fetch(`${origin}${path}?ticket=${used}&token=${token}`)
    await fetch(`${origin}${path}?ticket=${used}&token=${token}`, { method: 'POST', body: 'x' })
  }

  // Refused first frames.
  for (const message of [{ type: 'auth', token: bob }, { type: 'auth', token: `${token}x` }, { type: 'echo', token }, null]) {
    const client = await enter(t, origin, token)
    if (message !== null) client.send(message)
    await client.closed
  }
  await http('POST', `${origin}/login`, { json: { username: 'bob', password: keep('a password of somebody') } })
  await http('POST', `${origin}/logout`, { token })
  await http('GET', `${origin}/me`, { token })
  await app.close()

  const log = lines.join('')
  t.ok(lines.length > 80)
  t.match(log, /\/ws\/nowhere/, 'the requests are in the log')
  for (const secret of secrets) {
    // Of a JWT only the signature is searched for; the header is the same in all.
    const needle = secret.slice(secret.lastIndexOf('.') + 1)
    t.notOk(log.includes(needle), 'a secret')
  }
})

t.test('no log line contains an external token, the secret of the client or the key of the upstream', async t => {
  const { app, lines, origin, authority, upstream } = await listenWithSystems(t, { LOG_LEVEL: 'trace' })
  const token = await login(origin, 'alice')
  const external = await externalLogin(origin)
  const use = async () => {
    const answers = [
      await http('POST', `${origin}/external/login`, { json: { username: 'bob', password: 'builder' } }),
      await http('POST', `${origin}/external/login`, { json: { username: 'bob', password: 'a password of somebody' } }),
      await http('GET', `${origin}/external/me?token=${external}`),
      await http('GET', `${origin}/external/me?token=${external}`, { headers: { cookie: `ext_token=${external}` } }),
      await http('GET', `${origin}/external/nothing?token=${external}`, { headers: { authorization: `Bearer ${external}` } }),
      await http('GET', `${origin}/api/hello?token=${external}`, { token }),
      await http('POST', `${origin}/api/hello?token=${external}`, { token, json: { external } }),
      await http('GET', `${origin}/api/hello?token=${external}`)
    ]
    for (const client of [
      new Client(t, origin, `/ws/external?token=${external}`),
      new Client(t, origin, `/ws/external?token=${external}x`),
      new Client(t, origin, `/ws/external?token=${external}`, [], { origin: 'https://evil.example' }),
      new Client(t, origin, '/ws/external', ['airlock.v1', `bearer.${external}`]),
      new Client(t, origin, `/api/ws?token=${external}`, [], { headers: { cookie: `session=${token}` } }),
      new Client(t, origin, '/ws/upstream', ['airlock.v1', `ticket.${await getTicket(origin, token)}`])
    ]) {
      if ((await client.upgraded).status === 101) client.send({ type: 'auth', token })
    }
    return answers.map(({ status }) => status)
  }
  t.strictSame(await use(), [200, 401, 200, 400, 404, 200, 404, 401])
  await Promise.all([authority.kill(), upstream.kill()])
  t.ok((await use()).includes(502))
  await app.wsIntrospect.recheck('alice')
  await http('POST', `${origin}/external/logout?token=${external}`)
  await Promise.all([authority.start(), upstream.start()])
  t.equal((await http('POST', `${origin}/external/logout?token=${external}`)).status, 204)
  await app.close()

  const log = lines.join('')
  t.match(log, /\/ws\/external/, 'the requests are in the log')
  const basic = Buffer.from(`${demoClient.id}:${demoClient.secret}`).toString('base64')
  for (const secret of [external, UPSTREAM_KEY, demoClient.secret, basic, 'wonderland', 'builder', 'a password of somebody']) {
    t.notOk(log.includes(secret), 'a secret')
  }
})

t.test('no plugin of the demo warns of its set-up', async t => {
  const { lines } = await listenWithSystems(t, { LOG_LEVEL: 'info' })
  t.ok(lines.some(line => line.includes('Server listening')))
  t.same(lines.filter(line => line.includes('"code":"WSA_')), [])
})
