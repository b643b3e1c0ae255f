// Takes long: it starts the whole demo for each case.
import t from 'tap'
import { Client, enter, getTicket, http, listen, login, pass, sign } from './helpers.js'

t.test('no messages before the JWT; ticks and echoes after it', async t => {
  const { app, origin } = await listen(t)
  const token = await login(origin, 'alice')
  const client = await enter(t, origin, token)
  t.equal(client.socket.protocol, 'airlock.v1')
  t.equal(app.wsHub.count(), 0)
  t.equal(app.wsHub.broadcast('nobody hears this'), 0)

  client.send({ type: 'auth', token })
  const welcome = JSON.parse(await client.nextText())
  t.strictSame(welcome.user, { id: 'alice', name: 'Alice', role: 'user' })
  t.equal(welcome.type, 'auth_ok')
  t.equal(welcome.expiresAt, app.jwt.decode<{ exp: number }>(token)?.exp as number * 1000)
  t.equal(app.wsHub.count(), 1)

  t.strictSame(await client.next('tick'), { type: 'tick', n: 1 })
  t.strictSame(await client.next('tick'), { type: 'tick', n: 2 })
  client.socket.close(1000)
  t.match(await client.closed, { code: 1000 })
  while (app.wsHub.count() > 0) await new Promise(resolve => setTimeout(resolve, 5))
})

t.test('an echo comes back unchanged; anything else is an error', async t => {
  const { origin } = await listen(t)
  const client = await pass(t, origin, await login(origin, 'alice'))
  const echo = '{"data" : {"deep":["ä",1,null]}, "type":"echo"}'
  client.send(echo)
  let text
  do text = await client.nextText(); while (text.includes('"tick"'))
  t.equal(text, echo)

  const unknown = [{ type: 'dance' }, {}, []]
  const malformed = ['hello', '"echo"', 'null', { type: 'echo' }, Buffer.from('{"type":"echo","data":1}')]
  for (const message of unknown) {
    client.send(message)
    t.strictSame(await client.next('error'), { type: 'error', message: 'Unknown message type' }, JSON.stringify(message))
  }
  for (const message of malformed) {
    client.send(message)
    t.match((await client.next('error')).message, /^Send JSON text/, String(message))
  }
  client.send({ type: 'echo', data: 'still here' })
  t.strictSame(await client.next('echo'), { type: 'echo', data: 'still here' })
})

t.test('messages that come before auth_ok are answered after it', async t => {
  const { origin } = await listen(t)
  const token = await login(origin, 'alice')
  const client = await enter(t, origin, token)
  client.send({ type: 'jwt', token })
  client.send({ type: 'echo', data: 1 })
  client.send({ type: 'echo', data: 2 })
  t.strictSame([JSON.parse(await client.nextText()).type, await client.next('echo'), await client.next('echo')],
    ['auth_ok', { type: 'echo', data: 1 }, { type: 'echo', data: 2 }])
})

t.test('three carriers, of which only one may be used at a time', async t => {
  const { origin } = await listen(t)
  const token = await login(origin, 'alice')
  const page = { origin }
  const ways = {
    subprotocol: (ticket: string) => new Client(t, origin, '/ws/demo', ['airlock.v1', `ticket.${ticket}`]),
    'subprotocol, first': (ticket: string) => new Client(t, origin, '/ws/demo', [`ticket.${ticket}`, 'airlock.v1']),
    cookie: (ticket: string) => new Client(t, origin, '/ws/demo', ['airlock.v1'], { headers: { cookie: `session=${token}; ticket=${ticket}`, ...page } }),
    query: (ticket: string) => new Client(t, origin, `/ws/demo?ticket=${ticket}`)
  }
  for (const [name, dial] of Object.entries(ways)) {
    const client = dial(await getTicket(origin, token))
    t.equal((await client.upgraded).status, 101, name)
    t.equal(client.socket.protocol, name === 'query' ? '' : 'airlock.v1')
    client.send({ type: 'auth', token })
    t.match(await client.next('auth_ok'), { user: { id: 'alice' } })
  }

  const ticket = await getTicket(origin, token)
  const both = new Client(t, origin, `/ws/demo?ticket=${ticket}`, ['airlock.v1', `ticket.${ticket}`])
  t.match(await both.upgraded, { status: 400, body: { code: 'WSA_GUARD_ERR_MULTIPLE_CREDENTIALS' } })
  t.equal((await ways.query(ticket).upgraded).status, 101, 'the refused attempt did not use up the ticket')
})

t.test('no ticket and an invalid, used or expired one: 401 before any 101', async t => {
  const { app, origin } = await listen(t, { TICKET_TTL_MS: '200' })
  const token = await login(origin, 'alice')
  const dial = (ticket: string) => new Client(t, origin, '/ws/demo', ['airlock.v1', `ticket.${ticket}`])

  t.match(await new Client(t, origin, '/ws/demo').upgraded, { status: 401, body: { code: 'WSA_GUARD_ERR_NO_CREDENTIAL' } })
  t.match(await dial('A'.repeat(43)).upgraded, { status: 401, body: { code: 'WSA_GUARD_ERR_INVALID_CREDENTIAL' } })

  const used = await getTicket(origin, token)
  t.equal((await dial(used).upgraded).status, 101)
  t.match(await dial(used).upgraded, { status: 401 })

  const { ticket, expiresAt } = await app.wsTickets.issue('alice')
  while (Date.now() < expiresAt) await new Promise(resolve => setTimeout(resolve, expiresAt - Date.now()))
  t.match(await dial(ticket).upgraded, { status: 401 })
})

t.test('connected, but silent until the JWT', async t => {
  const { origin } = await listen(t, { AUTH_TIMEOUT_MS: '150' })
  const client = await enter(t, origin, await login(origin, 'alice'))
  t.match(JSON.parse(await client.nextText()), { type: 'auth_error', code: 4408, retry: true })
  t.match(await client.closed, { code: 4408 })
})

t.test('an invalid JWT closes the connection', async t => {
  const { origin } = await listen(t)
  const token = await login(origin, 'alice')
  const revoked = sign({ sub: 'alice' })
  await http('POST', `${origin}/logout`, { token: revoked })
  const cases: Array<[string, unknown, number]> = [
    ['another message', { type: 'echo', data: 1 }, 4400],
    ['rubbish', { type: 'auth', token: 'rubbish' }, 4401],
    ['an expired one', { type: 'auth', token: sign({ sub: 'alice' }, -1) }, 4401],
    ["somebody else's", { type: 'auth', token: await login(origin, 'bob') }, 4403],
    ['a revoked one', { type: 'auth', token: revoked }, 4403]
  ]
  for (const [name, message, code] of cases) {
    const client = await enter(t, origin, token)
    client.send(message)
    t.match(JSON.parse(await client.nextText()), { type: 'auth_error', code }, name)
    t.match(await client.closed, { code })
  }
  const client = await pass(t, origin, token)
  client.send({ type: 'auth', token })
  t.match(await client.closed, { code: 4429 }, 'a second one')
})

t.test('the route for admins', async t => {
  const { origin } = await listen(t)
  const [alice, admin] = [await login(origin, 'alice'), await login(origin, 'admin')]
  const user = await enter(t, origin, alice, '/ws/admin')
  user.send({ type: 'auth', token: alice })
  t.match(await user.closed, { code: 4403, reason: 'not authorized' })

  const client = await pass(t, origin, admin, '/ws/admin')
  t.match(await client.next('tick'), { n: 1 })
  client.send({ type: 'echo', data: 'hi' })
  t.match(await client.next('echo'), { data: 'hi' })
})

t.test('a new JWT on the open connection', async t => {
  const { app, origin } = await listen(t)
  const client = await pass(t, origin, sign({ sub: 'alice' }))
  const token = sign({ sub: 'alice' }, 120)
  client.send({ type: 'refresh', token })
  t.equal((await client.next('refresh_ok')).expiresAt, app.jwt.decode<{ exp: number }>(token)?.exp as number * 1000)
  client.send({ type: 'refresh', token: sign({ sub: 'alice', role: 'admin' }, 120) })
  t.match(await client.closed, { code: 4403 }, 'a refresh cannot make a user an admin')
})

t.test('origins: the same host, or those of ALLOWED_ORIGINS', async t => {
  const { origin } = await listen(t)
  const dial = (from: string) => new Client(t, origin, '/ws/demo', [], { origin: from })
  t.match(await dial('https://evil.example').upgraded, { status: 403, body: { code: 'WSA_GUARD_ERR_ORIGIN' } })
  t.equal((await dial(origin).upgraded).status, 401, 'the origin is allowed, only the ticket is missing')

  const listed = await listen(t, { ALLOWED_ORIGINS: 'https://*.friend.example' })
  const dialListed = (path: string, from: string) => new Client(t, listed.origin, path, [], { origin: from })
  for (const path of ['/ws/demo', '/ws/admin', '/ws/bearer']) {
    t.equal((await dialListed(path, 'https://app.friend.example').upgraded).status, 401, path)
    t.equal((await dialListed(path, listed.origin).upgraded).status, 403, path)
  }
})

t.test('logout closes the sockets of this user, and no others', async t => {
  const { origin } = await listen(t)
  const [alice, bob] = [await login(origin, 'alice'), await login(origin, 'bob')]
  const [one, two, other] = [await pass(t, origin, alice), await pass(t, origin, alice), await pass(t, origin, bob)]
  t.equal((await http('POST', `${origin}/logout`, { token: alice })).status, 204)
  t.match(await one.closed, { code: 4403 })
  t.match(await two.closed, { code: 4403 })
  other.send({ type: 'echo', data: 'I stay' })
  t.match(await other.next('echo'), { data: 'I stay' })
})

t.test('a JWT on the upgrade', async t => {
  const { app, origin } = await listen(t)
  const token = await login(origin, 'alice')
  const ways = {
    header: () => new Client(t, origin, '/ws/bearer', [], { headers: { authorization: `Bearer ${token}` } }),
    subprotocol: () => new Client(t, origin, '/ws/bearer', ['airlock.v1', `bearer.${token}`])
  }
  const clients = await Promise.all(Object.entries(ways).map(async ([name, dial]) => {
    const client = dial()
    t.equal((await client.upgraded).status, 101, name)
    t.match(await client.next('tick'), { n: 1 })
    client.send({ type: 'echo', data: name })
    t.match(await client.next('echo'), { data: name })
    return client
  }))
  t.equal(app.wsHub.connectionsOf('alice').size, 2)

  t.match(await new Client(t, origin, `/ws/bearer?token=${token}&ticket=${token}&jwt=${token}`).upgraded, { status: 401 }, 'never in the URL')
  await http('POST', `${origin}/logout`, { token })
  for (const client of clients) t.match(await client.closed, { code: 4403 })
  t.match(await ways.header().upgraded, { status: 401 }, 'revoked')
})

t.test('a connection with a JWT on the upgrade closes when the JWT expires', async t => {
  const { app, origin } = await listen(t)
  const token = sign({ sub: 'alice' }, 2)
  const client = new Client(t, origin, '/ws/bearer', [], { headers: { authorization: `Bearer ${token}` } })
  const { exp } = app.jwt.decode<{ exp: number }>(token) as { exp: number }
  t.match(await client.closed, { code: 4401, reason: 'token expired' })
  t.ok(Date.now() >= exp * 1000)
})

t.test('the limits for each user and address', async t => {
  const { origin } = await listen(t, { MAX_CONNECTIONS_PER_USER: '1', MAX_PENDING_PER_ADDRESS: '2', MESSAGE_RATE: '1' })
  const [alice, bob] = [await login(origin, 'alice'), await login(origin, 'bob')]
  const client = await pass(t, origin, alice)

  t.match(await (await pass(t, origin, alice)).closed, { code: 4429, reason: 'too many connections' })
  const bearer = new Client(t, origin, '/ws/bearer', [], { headers: { authorization: `Bearer ${alice}` } })
  t.match(await bearer.closed, { code: 4429, reason: 'too many connections' })
  t.strictSame(bearer.pending, [], 'and gets no message before')

  const waiting = [await enter(t, origin, bob), await enter(t, origin, bob)]
  t.match(await (await enter(t, origin, bob)).closed, { code: 4429 }, 'no more than two that have not authenticated')
  for (const { socket } of waiting) socket.terminate()

  for (let i = 0; i < 12; i++) client.send({ type: 'echo', data: i })
  t.match(await client.closed, { code: 4429, reason: 'too many messages' })
})

t.test('the heartbeat watches all connections, authenticated or not', async t => {
  const { app, origin } = await listen(t)
  const token = await login(origin, 'alice')
  await pass(t, origin, token)
  await enter(t, origin, token)
  t.equal(app.wsHeartbeat.size, 2)
})

t.test('closing the app closes clients with 1012', async t => {
  const { app, origin } = await listen(t)
  const clients = [await pass(t, origin, await login(origin, 'alice')), await enter(t, origin, await login(origin, 'bob'))]
  await app.close()
  for (const client of clients) t.match(await client.closed, { code: 1012 })
})

t.test('an upgrade to an unknown route is refused before any 101, and a plain GET is no upgrade', async t => {
  const { origin } = await listen(t)
  const client = new Client(t, origin, '/ws/nowhere?ticket=secret')
  const { status, body } = await client.upgraded
  t.equal(status, 404)
  t.notMatch(JSON.stringify(body), /secret/)
  t.match(await http('GET', `${origin}/ws/demo`), { status: 400, body: { code: 'WSA_GUARD_ERR_NOT_UPGRADE' } })
})
