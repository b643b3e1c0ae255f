import Fastify from 'fastify'
import t from 'tap'
import wsIntrospect, { type Lookup } from '../src/index.js'
import { build, credentials, startAuthority } from './helpers.js'

const lookup: Lookup = async token => token === 'good' ? { subject: 'alice', claims: { role: 'user' }, expiresAt: 4_000_000_000_000 } : null

t.test('the plugin works alone on a bare Fastify, without WebSockets', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(wsIntrospect, { lookup })
  app.get('/me', { preHandler: app.wsIntrospect.authenticate }, async request => request.wsIdentity)
  app.get('/open', async request => ({ identity: request.wsIdentity }))
  const good = await app.inject({ url: '/me', headers: { authorization: 'Bearer good' } })
  t.equal(good.statusCode, 200)
  t.same(good.json(), { subject: 'alice', claims: { role: 'user' }, expiresAt: 4_000_000_000_000 })
  t.equal((await app.inject('/me')).statusCode, 401)
  t.same((await app.inject('/open')).json(), { identity: null })
  t.match(app.wsIntrospect.stats, { asked: 1 })
})

t.test('a request without a valid token gets 401 and a challenge', async t => {
  const { me, app } = await build(t, { lookup })
  t.match(await me(), {
    status: 401, headers: { 'www-authenticate': 'Bearer' }, body: { code: 'WSA_INTROSPECT_ERR_NO_TOKEN', statusCode: 401, error: 'Unauthorized' }
  })
  t.match(await me('bad'), {
    status: 401, headers: { 'www-authenticate': 'Bearer error="invalid_token"' }, body: { code: 'WSA_INTROSPECT_ERR_INVALID_TOKEN' }
  })
  const { asked } = app.wsIntrospect.stats
  for (const token of ['%', 'x'.repeat(8_193), '']) t.equal((await me(token)).status, 401)
  t.equal(app.wsIntrospect.stats.asked, asked, 'nobody is asked about a string that cannot be a token')
})

t.test('a cookie, a parameter or a header carries the token; several tokens are refused', async t => {
  const { app } = await build(t, { lookup, cookie: 'ext_token', query: 'token' })
  const get = async (url: string, headers: Record<string, string> = {}) => {
    const response = await app.inject({ url, headers })
    return [response.statusCode, response.json().code ?? response.json().subject]
  }
  t.same(await get('/me', { cookie: 'ext_token=good' }), [200, 'alice'])
  t.same(await get('/me', { cookie: 'a=b; ext_token="g%6Fod"' }), [200, 'alice'])
  t.same(await get('/me?token=good'), [200, 'alice'])
  t.same(await get('/me', { authorization: 'Bearer good' }), [200, 'alice'])
  for (const [url, headers] of [
    ['/me?token=good', { cookie: 'ext_token=good' }],
    ['/me?token=good', { authorization: 'Bearer good' }],
    ['/me', { authorization: 'Bearer good', cookie: 'ext_token=good' }],
    ['/me?token=good&token=good', {}],
    ['/me', { cookie: 'ext_token=good; ext_token=good' }]
  ] as const) {
    t.same(await get(url, headers), [400, 'WSA_INTROSPECT_ERR_MULTIPLE_TOKENS'], JSON.stringify([url, headers]))
  }
})

t.test('only the chosen carriers are read', async t => {
  const { app } = await build(t, { lookup, header: false, query: 'token' })
  for (const [url, headers] of [
    ['/me', { authorization: 'Bearer good' }], ['/me', { cookie: 'token=good' }], ['/me', { 'sec-websocket-protocol': 'bearer.good' }]
  ] as const) {
    t.equal((await app.inject({ url, headers })).json().code, 'WSA_INTROSPECT_ERR_NO_TOKEN')
  }
})

t.test('the hook works at any stage, and in a scope of its own', async t => {
  const { app } = await build(t, { lookup })
  await app.register(async scope => {
    scope.addHook('onRequest', app.wsIntrospect.authenticate)
    scope.get('/scoped', async request => request.wsIdentity?.subject)
  })
  app.get('/pre', { preValidation: app.wsIntrospect.authenticate }, async request => request.wsIdentity?.subject)
  for (const url of ['/scoped', '/pre']) {
    t.equal((await app.inject({ url, headers: { authorization: 'Bearer good' } })).body, 'alice')
    t.equal((await app.inject(url)).statusCode, 401)
  }
})

t.test('a look-up that throws or returns something wrong is 503', async t => {
  for (const broken of [
    async () => { throw new Error('database away') },
    () => { throw new Error('database away') },
    async () => ({ subject: '' }),
    async () => undefined as never
  ] as Lookup[]) {
    const { me } = await build(t, { lookup: broken })
    t.match(await me('good'), { status: 503, headers: { 'retry-after': '1' }, body: { code: 'WSA_INTROSPECT_ERR_UNAVAILABLE' } })
  }
  const { me } = await build(t, { lookup: () => ({ subject: 'sync' }) })
  t.match(await me('x'), { status: 200, body: { subject: 'sync', claims: {}, expiresAt: null } })
})

t.test('a look-up gets a signal and a deadline', async t => {
  let given: AbortSignal | undefined
  const { me } = await build(t, {
    timeout: 50,
    lookup: (_token, { signal }) => {
      given = signal
      return new Promise(() => {})
    }
  })
  // Neither the deadline's timer nor inject keeps the process alive.
  const alive = setInterval(() => {}, 1_000)
  t.teardown(() => clearInterval(alive))
  t.match(await me('x'), { status: 503 })
  t.equal(given?.aborted, true)
})

t.test('no request sees what another writes to its claims', async t => {
  const { app } = await build(t, { lookup })
  app.get('/write', { preHandler: app.wsIntrospect.authenticate }, async request => {
    const claims = request.wsIdentity?.claims as Record<string, unknown>
    const before = { ...claims }
    claims.role = 'admin'
    return before
  })
  for (let i = 0; i < 2; i++) {
    const response = await app.inject({ url: '/write', headers: { authorization: 'Bearer good' } })
    t.same(response.json(), { role: 'user' })
  }
  t.match(app.wsIntrospect.stats, { asked: 1, hits: 1 })
})

t.test('many requests with one token are one question to a real authority', async t => {
  const authority = await startAuthority(t)
  const { app, me } = await build(t, { endpoint: authority.endpoint, ...credentials })
  const token = authority.issue()
  const all = await Promise.all(Array.from({ length: 50 }, async () => await me(token)))
  t.ok(all.every(({ status, body }) => status === 200 && body.subject === 'alice'))
  t.equal(authority.asked, 1)
  t.match(app.wsIntrospect.stats, { asked: 1, refused: 0, failed: 0 })
  t.equal(app.wsIntrospect.stats.hits + app.wsIntrospect.stats.shared, 49)
})

t.test('recheck forgets cached answers, even without connections', async t => {
  const authority = await startAuthority(t)
  const { app, me } = await build(t, { endpoint: authority.endpoint, ...credentials, circuitBreaker: true })
  const token = authority.issue()
  t.equal((await me(token)).status, 200)
  authority.store.revoke(token)
  t.equal((await me(token)).status, 200, 'still cached')
  t.same(await app.wsIntrospect.recheck('alice'), { kept: 0, closed: 0, unknown: 0 })
  t.equal((await me(token)).status, 401)
})

t.test('`claims` makes the claims', async t => {
  const authority = await startAuthority(t)
  const { me } = await build(t, {
    endpoint: authority.endpoint, ...credentials, subjectClaim: 'username', claims: ({ scope }) => ({ scopes: String(scope).split(' ') })
  })
  t.match(await me(authority.issue()), { status: 200, body: { subject: 'alice', claims: { scopes: ['chat'] } } })
})

t.test('every question is refused after close', async t => {
  const { app } = await build(t, { lookup })
  await app.close()
  const request = { headers: { authorization: 'Bearer good' }, query: {}, raw: {} }
  await t.rejects(app.wsIntrospect.authenticate(request as never), { code: 'WSA_INTROSPECT_ERR_UNAVAILABLE' })
})

t.test('a token in a URL comes after a question mark', async t => {
  const app = Fastify({ routerOptions: { useSemicolonDelimiter: true } } as object)
  t.teardown(() => app.close())
  await app.register(wsIntrospect, { lookup, query: 'token' })
  app.get('/me', { preHandler: app.wsIntrospect.authenticate }, async request => app.wsIntrospect.tokenOf(request))
  const headers = { authorization: 'Bearer good' }
  for (const [url, status, given] of [
    ['/me?token=good', 200, {}], ['/me;token=good', 400, {}], ['/me;x=1', 200, { headers }], ['/me?x=1;y', 200, { headers }]
  ] as const) {
    t.equal((await app.inject({ url, ...given })).statusCode, status, url)
  }
  const request = { url: '/me#x', headers, query: {} }
  await t.rejects(app.wsIntrospect.authenticate(request as never), { code: 'WSA_INTROSPECT_ERR_TARGET' })
  t.throws(() => app.wsIntrospect.tokenOf(request as never), { code: 'WSA_INTROSPECT_ERR_NOT_AUTHENTICATED' })
})

t.test('the token of a request is the one that was asked about', async t => {
  const { app } = await build(t, { lookup, cookie: 'token' })
  app.get('/token', { preHandler: app.wsIntrospect.authenticate }, async request => app.wsIntrospect.tokenOf(request))
  for (const cookie of ['token=good', 'token="good"', 'token=%67ood', 'token="g%6fod"']) {
    t.equal((await app.inject({ url: '/token', headers: { cookie } })).body, 'good', cookie)
  }
})
