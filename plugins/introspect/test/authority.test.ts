import { readFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import https from 'node:https'
import t, { type Test } from 'tap'
import { Pool } from 'undici'
import type { AuthorityOptions } from '../src/index.js'
import { build, credentials, json, listen, type Question, startAuthority, startRogue } from './helpers.js'

const pem = (name: string) => readFileSync(new URL(`fixtures/${name}.pem`, import.meta.url))
const active = json({ active: true, sub: 'alice' })

/** Makes an app, and a server that it asks and that answers as the test wants. */
async function ask (t: Test, answer: (response: ServerResponse, question: Question) => void, options: Partial<AuthorityOptions> = {}) {
  const rogue = await startRogue(t, answer)
  const built = await build(t, { endpoint: rogue.endpoint, ...credentials, ...options })
  return { ...rogue, ...built }
}

t.test('the request is that of RFC 7662', async t => {
  const { me, questions } = await ask(t, active)
  t.match(await me('a+b/c=='), { status: 200, body: { subject: 'alice', claims: { active: true, sub: 'alice' }, expiresAt: null } })
  t.match(questions, [{
    url: '/introspect',
    body: 'token_type_hint=access_token&token=a%2Bb%2Fc%3D%3D',
    headers: {
      accept: 'application/json',
      'content-type': 'application/x-www-form-urlencoded',
      authorization: `Basic ${Buffer.from('airlock-demo:demo-only-secret').toString('base64')}`
    }
  }])
})

t.test('the parts of Basic are form-encoded, and the endpoint keeps its query', async t => {
  const rogue = await startRogue(t, active)
  const { me } = await build(t, {
    endpoint: new URL(`${rogue.endpoint}?realm=a`), clientId: 'a:b c', clientSecret: 'p&q=100%', tokenTypeHint: false
  })
  t.equal((await me('x')).status, 200)
  const [question] = rogue.questions
  t.equal(Buffer.from(String(question?.headers.authorization).slice(6), 'base64').toString(), 'a%3Ab+c:p%26q%3D100%25')
  t.equal(question?.url, '/introspect?realm=a')
  t.equal(question?.body, 'token=x')
})

t.test('our own bearer token is sent', async t => {
  const rogue = await startRogue(t, active)
  const { me } = await build(t, { endpoint: rogue.endpoint, bearerToken: 'ours', tokenTypeHint: 'refresh_token' })
  t.equal((await me('x')).status, 200)
  t.match(rogue.questions[0], { headers: { authorization: 'Bearer ours' }, body: 'token_type_hint=refresh_token&token=x' })
})

t.test('an unreliable answer is 503 and never lets anybody in', async t => {
  const cases: Array<[string, (response: ServerResponse) => void, RegExp]> = [
    ['garbage', response => response.end('<html>hello'), /did not answer with JSON/],
    ['nothing', response => response.end(), /did not answer with JSON/],
    ['half an answer', response => { response.setHeader('content-length', 100).write('{"active":true,"sub":"alice"}'); response.destroy() }, /other side closed|ECONNRESET|terminated/],
    ['another JSON', json({ ok: true }), /did not say whether/],
    ['active that is no boolean', json({ active: 'true', sub: 'alice' }), /did not say whether/],
    ['an exp that is no number', json({ active: true, sub: 'alice', exp: 'tomorrow' }), /exp that is no number/],
    ['401', response => response.writeHead(401).end('{"active":true,"sub":"alice"}'), /answered 401: it does not accept our credentials/],
    ['403', response => response.writeHead(403).end(), /answered 403: it does not accept our credentials/],
    ['500', response => response.writeHead(500).end('{"active":true,"sub":"alice"}'), /answered 500"/],
    ['201', response => response.writeHead(201).end('{"active":true,"sub":"alice"}'), /answered 201"/],
    ['reset', response => { response.destroy() }, /other side closed|ECONNRESET/]
  ]
  for (const [name, answer, message] of cases) {
    const { me, lines } = await ask(t, answer)
    t.match(await me('some-token-of-alice'), {
      status: 503, headers: { 'retry-after': '1' }, body: { code: 'WSA_INTROSPECT_ERR_UNAVAILABLE', message: 'Tokens cannot be checked at the moment' }
    }, name)
    t.match(lines.join(''), message, name)
    t.notMatch(lines.join(''), /some-token-of-alice|demo-only-secret|<html/, name)
  }
})

t.test('refused credentials are logged once', async t => {
  const { me, lines } = await ask(t, response => response.writeHead(401).end())
  for (let i = 0; i < 3; i++) t.equal((await me(`token ${i}`)).status, 503)
  t.equal(lines.filter(line => line.includes('the authority cannot be asked about tokens')).length, 1)
})

t.test('a redirect is not followed', async t => {
  const trap = await startRogue(t, active)
  const { me, lines } = await ask(t, response => response.writeHead(307, { location: trap.endpoint }).end())
  t.equal((await me('x')).status, 503)
  t.equal(trap.questions.length, 0)
  t.match(lines.join(''), /answered 307/)
})

t.test('a huge answer is cut off, with and without a length', async t => {
  const huge = JSON.stringify({ active: true, sub: 'alice', more: 'x'.repeat(10_000) })
  for (const answer of [
    (response: ServerResponse) => response.setHeader('content-length', huge.length).end(huge),
    (response: ServerResponse) => { response.write(huge.slice(0, 100)); response.end(huge.slice(100)) },
    (response: ServerResponse) => { response.writeHead(500).end('x'.repeat(500_000)) }
  ]) {
    const { me } = await ask(t, answer, { maxAnswerBytes: 10_000 })
    t.equal((await me('x')).status, 503)
  }
  const { me } = await ask(t, response => response.end(huge), { maxAnswerBytes: huge.length })
  t.equal((await me('x')).status, 200, 'at the limit')
})

t.test('an authority that never answers costs the timeout but no connection', async t => {
  const hanging: ServerResponse[] = []
  const { me, connections, server } = await ask(t, (response, { body }) => {
    if (body.endsWith('slow')) hanging.push(response)
    else active(response)
  }, { timeout: 1_000, concurrency: 1 })
  const start = performance.now()
  t.match(await me('slow'), { status: 503, body: { code: 'WSA_INTROSPECT_ERR_UNAVAILABLE' } })
  t.ok(performance.now() - start >= 1_000)
  t.equal((await me('fast')).status, 200, 'the only connection is free again')
  t.equal(connections(), 2)
  t.equal(hanging.length, 1)
  t.equal(hanging[0]?.destroyed, true)
  t.equal(server.listening, true)
})

t.test('a slow answer has the same timeout', async t => {
  const { me } = await ask(t, response => {
    const timer = setInterval(() => response.write(' '), 20)
    response.on('close', () => clearInterval(timer))
  }, { timeout: 150 })
  t.match(await me('x'), { status: 503 })
})

t.test('connections are bounded, kept, and carry one question at a time', async t => {
  const waiting: ServerResponse[] = []
  let most = 0
  const { me, connections } = await ask(t, response => {
    most = Math.max(most, waiting.push(response))
    setImmediate(() => active(waiting.pop() as ServerResponse))
  }, { concurrency: 3 })
  const all = await Promise.all(Array.from({ length: 30 }, async (_, i) => await me(`token ${i}`)))
  t.ok(all.every(({ status }) => status === 200))
  t.ok(most <= 3, `${most} at once`)
  t.ok(connections() <= 3, `${connections()} connections`)
})

t.test('too many questions get 503 at once', async t => {
  const { me, questions } = await ask(t, () => {}, { timeout: 1_000, maxPending: 2, concurrency: 1 })
  const all = await Promise.all(['a', 'b', 'c', 'd'].map(me))
  const codes = all.map(({ body }) => body.code)
  t.equal(codes[0], 'WSA_INTROSPECT_ERR_UNAVAILABLE')
  t.match(codes[1], /^WSA_INTROSPECT_ERR_(BUSY|UNAVAILABLE)$/, 'its turn came too late, if at all')
  t.same(codes.slice(2), ['WSA_INTROSPECT_ERR_BUSY', 'WSA_INTROSPECT_ERR_BUSY'])
  t.ok(all.every(({ status, headers }) => status === 503 && headers['retry-after'] === '1'))
  t.ok(questions.length <= 2)
})

t.test('after a hang under load, the next question is answered at once', async t => {
  let hanging = true
  const { me, questions, connections } = await ask(t, response => { if (!hanging) active(response) }, {
    timeout: 1_000, concurrency: 4, negativeCacheTtl: 0, pendingPerAddress: 500
  })
  const all = await Promise.all(Array.from({ length: 500 }, async (_, i) => await me(`token ${i}`)))
  t.ok(all.every(({ status }) => status === 503))
  t.ok(questions.length < 100, 'most questions were never asked')
  hanging = false
  t.equal((await me('token 0')).status, 200)
  t.ok(connections() < 100, 'a question that is given up while it waits costs no connection')
})

t.test('a port without a listener is 503', async t => {
  // The kernel assigns port 1 to nobody.
  const { me, lines } = await build(t, { endpoint: 'http://127.0.0.1:1/introspect', ...credentials })
  t.match(await me('x'), { status: 503 })
  t.match(lines.join(''), /ECONNREFUSED/)
})

t.test('TLS is verified, whatever the environment says', async t => {
  const secure = { cert: pem('cert'), key: pem('key'), ca: pem('client-cert'), requestCert: true, rejectUnauthorized: false }
  const { port, questions } = await startRogue(t, (response, question) => {
    const { authorized } = response.socket as unknown as { authorized: boolean }
    json({ active: true, sub: `${authorized}`, authorization: question.headers.authorization })(response)
  }, listener => https.createServer(secure, listener) as never)
  const endpoint = `https://127.0.0.1:${port}/introspect`

  const previous = process.env.NODE_TLS_REJECT_UNAUTHORIZED
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'
  t.teardown(() => {
    if (previous === undefined) delete process.env.NODE_TLS_REJECT_UNAUTHORIZED
    else process.env.NODE_TLS_REJECT_UNAUTHORIZED = previous
  })
  const strangers = await build(t, { endpoint, ...credentials })
  t.equal((await strangers.me('x')).status, 503)
  t.match(strangers.lines.join(''), /self-signed certificate/)
  const misnamed = await build(t, { endpoint, ...credentials, tls: { ca: pem('cert'), servername: 'elsewhere.example' } })
  t.equal((await misnamed.me('x')).status, 503)
  t.equal(questions.length, 0, 'neither has seen a token')

  const trusted = await build(t, { endpoint, ...credentials, tls: { ca: [pem('cert')] } })
  t.match(await trusted.me('x'), { status: 200, body: { subject: 'false' } })
  const mutual = await build(t, { endpoint, tls: { ca: String(pem('cert')), cert: pem('client-cert'), key: pem('client-key') } })
  const { body } = await mutual.me('x')
  t.match(body, { subject: 'true' }, 'our own certificate is sent')
  t.notOk(body.claims.authorization)
})

t.test('a real authority issues, introspects and revokes a token', async t => {
  const authority = await startAuthority(t)
  const { me } = await build(t, { endpoint: authority.endpoint, ...credentials, negativeCacheTtl: 0, cacheTtl: 0 })
  const token = authority.issue('alice')
  const { status, body } = await me(token)
  t.equal(status, 200)
  t.match(body, { subject: 'alice', claims: { active: true, name: 'Alice', role: 'user', scope: 'chat' }, expiresAt: body.claims.exp * 1000 })
  authority.store.revoke(token)
  t.match(await me(token), { status: 401, body: { code: 'WSA_INTROSPECT_ERR_INVALID_TOKEN' } })
  t.match(await me('unknown'), { status: 401 })
})

t.test('a real authority refuses other credentials', async t => {
  const authority = await startAuthority(t)
  const { me, lines } = await build(t, { endpoint: authority.endpoint, clientId: 'me', clientSecret: 'mine' })
  t.equal((await me(authority.issue())).status, 503)
  t.match(lines.join(''), /answered 401: it does not accept our credentials/)
})

t.test('requests get 503 while the authority is away, until it is back on the same port', async t => {
  const authority = await startAuthority(t)
  const { app, lines } = await build(t, { endpoint: authority.endpoint, ...credentials, cacheTtl: 0, negativeCacheTtl: 0 })
  const port = await listen(app)
  const token = authority.issue()
  const me = async (token: string) => (await fetch(`http://127.0.0.1:${port}/me`, { headers: { authorization: `Bearer ${token}` } })).status
  t.equal(await me(token), 200)
  await authority.stop()
  t.equal(await me(token), 503)
  t.equal(await me('bad'), 503)
  await authority.start()
  t.equal(await me(token), 200)
  t.equal(await me('bad'), 401)
  t.equal(lines.filter(line => line.includes('the authority cannot be asked')).length, 1)
  t.equal(lines.filter(line => line.includes('the authority answers for tokens again')).length, 1)
})

t.test('while the authority is away, cached answers are used until they expire', async t => {
  const authority = await startAuthority(t)
  const { me } = await build(t, { endpoint: authority.endpoint, ...credentials, cacheTtl: 60_000 })
  const token = authority.issue()
  t.equal((await me(token)).status, 200)
  await authority.stop()
  t.equal((await me(token)).status, 200)
  t.equal((await me('other')).status, 503)
})

// The real one, in Bun, is in test/runtimes.test.ts at the root.
t.test('closes with a pool that cannot be destroyed', async t => {
  t.intercept(Pool.prototype, 'destroy', { value: undefined })
  const { app } = await ask(t, active)
  await app.close()
  t.pass('closed')
})
