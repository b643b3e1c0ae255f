import t from 'tap'
import { createHmac } from 'node:crypto'
import { build, frame, refused, secret, tcp, upgrade } from './helpers.js'

function forge (header: object, claims: object, key = secret): string {
  const body = [header, claims].map(part => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
  return `${body}.${createHmac('sha256', key).update(body).digest('base64url')}`
}

const inAMinute = () => Math.floor(Date.now() / 1000) + 60

t.test('the first frame proves who the client is; only then does the handler run', async t => {
  const calls: unknown[] = []
  const { connect, sign } = await build(t, {
    handler: function (socket, request) {
      calls.push(this === request.server, request.wsIdentity)
      socket.send('hello')
    }
  })
  const token = sign({ role: 'user' })
  const claims = JSON.parse(Buffer.from(token.split('.')[1] as string, 'base64url').toString())
  const client = connect()
  await client.opened()
  t.strictSame(calls, [])
  t.strictSame(await client.auth(token), { type: 'auth_ok', user: { id: 'alice' }, expiresAt: claims.exp * 1000 })
  t.equal(await client.next(), 'hello', 'after auth_ok')
  t.strictSame(calls, [true, { subject: 'alice', claims, expiresAt: claims.exp * 1000 }])
})

t.test('`jwt` is an alias of `auth`', async t => {
  const { connect, sign } = await build(t)
  t.match(await connect().auth(sign(), 'jwt'), { type: 'auth_ok' })
})

t.test('auth_ok carries what `describeUser` returns', async t => {
  const { connect, sign } = await build(t, {
    options: { describeUser: ({ subject, claims }) => ({ id: subject, role: claims.role }) }
  })
  t.strictSame((await connect().auth(sign({ role: 'admin' }))).user, { id: 'alice', role: 'admin' })
})

t.test('a first frame that is not a text `auth` closes with 4400', async t => {
  const { connect, sign } = await build(t, { handler: () => { t.fail('the handler ran') } })
  const auth = JSON.stringify({ type: 'auth', token: sign() })
  const cases: Array<[string, string | Buffer]> = [
    ['binary', Buffer.from(auth)],
    ['empty', ''],
    ['no JSON', '{"token"'],
    ['no object', '"token"'],
    ['another type', auth.replace('auth', 'refresh')],
    ['an unknown type', auth.replace('auth', 'hello')],
    ['no token', '{"type":"auth"}'],
    ['no string as token', '{"type":"auth","token":1}'],
    ['an empty token', '{"type":"auth","token":""}'],
    ['a byte too large', auth.padEnd(8193)]
  ]
  for (const [name, data] of cases) {
    await t.test(name, async t => {
      const client = connect()
      await client.opened()
      client.socket.send(data)
      await refused(t, client, 4400, 'auth message expected', false)
    })
  }
})

t.test('an `auth` of exactly the limit is read, and the limit is an option', async t => {
  const { connect, sign } = await build(t, { options: { maxAuthBytes: 9000 } })
  const client = connect()
  await client.opened()
  client.socket.send(JSON.stringify({ type: 'auth', token: sign() }).padEnd(9000))
  t.match(await client.next(), { type: 'auth_ok' })
})

t.test('a token that does not verify closes with 4401', async t => {
  const { connect, sign } = await build(t, { handler: () => { t.fail('the handler ran') } })
  const claims = { sub: 'alice', exp: inAMinute() }
  const cases: Array<[string, string, string]> = [
    ['no token at all', 'x', 'token invalid'],
    ['alg none', `${Buffer.from('{"alg":"none"}').toString('base64url')}.${sign().split('.')[1]}.`, 'token invalid'],
    ['another algorithm', forge({ alg: 'HS512' }, claims), 'token invalid'],
    ['another key', forge({ alg: 'HS256' }, claims, 'another key'), 'token invalid'],
    ['no exp', forge({ alg: 'HS256' }, { sub: 'alice' }), 'token invalid'],
    ['no sub', forge({ alg: 'HS256' }, { exp: inAMinute() }), 'token invalid'],
    ['expired', forge({ alg: 'HS256' }, { ...claims, exp: inAMinute() - 120 }), 'token expired']
  ]
  for (const [name, token, reason] of cases) {
    await t.test(name, async t => {
      const client = connect()
      await client.opened()
      client.json({ type: 'auth', token })
      await refused(t, client, 4401, reason, true)
    })
  }
})

t.test('a client has one attempt: nothing is read after a refusal', async t => {
  const { port, sign, lines } = await build(t, { handler: () => { t.fail('the handler ran') } })
  const auth = frame(JSON.stringify({ type: 'auth', token: sign() }))
  const peer = tcp(t, port, upgrade(), frame('nonsense'), auth, auth)
  const answer = await peer.until('auth message expected')
  t.notMatch(answer, 'auth_ok')
  await peer.until('auth message expected","retry":false}\x88')
  t.equal(lines.filter(line => line.includes('websocket refused')).length, 1)
})

t.test('a silent client is closed with 4408 after the deadline, not before', async t => {
  const { connect } = await build(t, { options: { authTimeout: 200 } })
  const start = performance.now()
  const client = connect()
  await refused(t, client, 4408, 'authentication timeout', true)
  t.ok(performance.now() - start >= 200)
})

t.test('a client that never finishes its first frame counts as silent', async t => {
  const { port, sign } = await build(t, { options: { authTimeout: 200 } })
  const auth = frame(JSON.stringify({ type: 'auth', token: sign() }))
  const peer = tcp(t, port, upgrade(), auth.subarray(0, -1))
  const start = performance.now()
  await peer.until('"code":4408')
  t.ok(performance.now() - start < 25_000)
})

t.test('the deadline ends with auth_ok', async t => {
  const { connect, sign } = await build(t, { options: { authTimeout: 500 } })
  const client = connect()
  await client.auth(sign())
  t.match(await connect().next(), { code: 4408 }, 'the deadline of a later client has passed')
  client.socket.send('still here')
  t.equal(await client.next(), 'still here')
})
