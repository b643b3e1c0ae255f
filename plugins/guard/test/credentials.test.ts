import t from 'tap'
import { type CredentialCheck, ticket } from '../src/index.js'
import { attempt, build, listen, route, TICKET, ticketsOf } from './helpers.js'

t.test('a ticket travels as subprotocol, query parameter or cookie', async t => {
  const app = await build(t)
  route(app)
  const port = await listen(app)
  const identity = { subject: 'u1', claims: { room: 1 }, expiresAt: null }
  const origin = `http://127.0.0.1:${port}`

  t.match(await attempt(port, '/ws', ['airlock.v1', `ticket.${TICKET}`]), { status: 101, identity, protocol: 'airlock.v1' })
  ticketsOf(app).live.add(TICKET)
  t.match(await attempt(port, `/ws?ticket=${TICKET}`), { status: 101, identity, protocol: '' })
  ticketsOf(app).live.add(TICKET)
  t.match(await attempt(port, '/ws', [], { origin, headers: { cookie: `a=b; ticket=${TICKET}; c` } }), { status: 101, identity })
  t.match(await attempt(port, `/ws?ticket=${TICKET}`), { status: 401, code: 'WSA_GUARD_ERR_INVALID_CREDENTIAL' }, 'used')
})

t.test('without a credential: 401 with a challenge', async t => {
  const app = await build(t)
  route(app)
  const port = await listen(app)
  const refused = await attempt(port, '/ws')
  t.match(refused, { status: 401, code: 'WSA_GUARD_ERR_NO_CREDENTIAL' })
  t.equal(refused.headers['www-authenticate'], 'Bearer')
  t.match(await attempt(port, '/ws', ['airlock.v1']), { status: 401, code: 'WSA_GUARD_ERR_NO_CREDENTIAL' })
  t.match(await attempt(port, '/ws?ticket='), { status: 401, code: 'WSA_GUARD_ERR_INVALID_CREDENTIAL' })
})

t.test('several credentials are refused, and none is consumed', async t => {
  const app = await build(t)
  route(app)
  const port = await listen(app)
  const other = 'B'.repeat(43)
  const cases: Array<[string, string[], string | undefined]> = [
    [`/ws?ticket=${TICKET}&ticket=${TICKET}`, [], undefined],
    [`/ws?ticket=${TICKET}`, ['airlock.v1', `ticket.${other}`], undefined],
    ['/ws', ['airlock.v1', `ticket.${TICKET}`, `ticket.${other}`], undefined],
    ['/ws', ['airlock.v1', `ticket.${TICKET}`, 'bearer.x.y.z'], undefined],
    [`/ws?ticket=${TICKET}`, [], `ticket=${TICKET}`],
    ['/ws', [], `ticket=${TICKET}; ticket=${other}`]
  ]
  for (const [path, protocols, cookie] of cases) {
    const options = cookie === undefined ? {} : { headers: { cookie } }
    t.match(await attempt(port, path, protocols, options), { status: 400, code: 'WSA_GUARD_ERR_MULTIPLE_CREDENTIALS' }, `${path} ${protocols} ${cookie}`)
  }
  t.same(ticketsOf(app).asked, [])
})

t.test('carriers can be renamed and switched off', async t => {
  const app = await build(t)
  route(app, { authenticate: ticket({ audience: '/ws', subprotocol: false, cookie: 'door', query: 'key' }) })
  app.get('/only', {
    websocket: true, preValidation: app.wsGuard({ authenticate: ticket({ cookie: false, query: false }) })
  }, socket => { socket.send('null') })
  const port = await listen(app)
  const headers = { cookie: `ticket=${TICKET}` }
  t.match(await attempt(port, `/ws?ticket=${TICKET}`), { code: 'WSA_GUARD_ERR_NO_CREDENTIAL' })
  t.match(await attempt(port, '/ws', ['airlock.v1', `ticket.${TICKET}`]), { code: 'WSA_GUARD_ERR_NO_CREDENTIAL' })
  t.match(await attempt(port, `/only?ticket=${TICKET}`, [], { headers }), { code: 'WSA_GUARD_ERR_NO_CREDENTIAL' })
  t.match(await attempt(port, `/ws?key=${TICKET}`, [], { headers }), { status: 101 }, 'other names are not read')
  t.match(ticketsOf(app).asked, [{ ticket: TICKET, context: { audience: '/ws' } }])
})

t.test('checks of the application\'s own, in a list, are tried in order', async t => {
  const seen: string[] = []
  const check = (name: string, carriers: CredentialCheck['carriers'], good: string): CredentialCheck => ({
    carriers,
    authenticate (value) {
      seen.push(`${name} ${value}`)
      return value === good ? { subject: name } : null
    }
  })
  const app = await build(t)
  route(app, {
    authenticate: [
      ticket({ cookie: false, query: false }),
      check('opaque', { header: true, query: 'token' }, 'o'),
      check('signed', { header: true, cookie: 'session' }, 's'),
      async request => request.headers['x-last'] === undefined ? null : { subject: 'last' }
    ]
  })
  const port = await listen(app)
  const origin = `http://127.0.0.1:${port}`
  const by = async (path: string, headers: Record<string, string>, protocols: string[] = []) => {
    seen.length = 0
    const { status, code, identity } = await attempt(port, path, protocols, { origin, headers })
    return { status, code, subject: (identity as { subject: string } | undefined)?.subject, seen: [...seen] }
  }
  t.match(await by('/ws', { authorization: 'Bearer o' }), { subject: 'opaque', seen: ['opaque o'] })
  t.match(await by('/ws', { authorization: 'bearer s' }), { subject: 'signed', seen: ['opaque s', 'signed s'] }, 'the second accepts it')
  t.match(await by('/ws', { cookie: 'session=s' }), { subject: 'signed', seen: ['signed s'] })
  t.match(await by('/ws', { 'x-last': '1' }), { subject: 'last', seen: [] })
  t.match(await by('/ws', { cookie: 'session=s' }, ['airlock.v1', `ticket.${TICKET}`]), { subject: 'u1', seen: [] }, 'the cookie is not considered')
  t.match(await by('/ws?token=bad', { cookie: 'session=s' }), { status: 401, seen: ['opaque bad'] }, 'a cookie is no second chance')
  t.match(await by('/ws?token=o', { authorization: 'Bearer o' }), { status: 400, code: 'WSA_GUARD_ERR_MULTIPLE_CREDENTIALS', seen: [] })
  t.match(await by('/ws?token=o', {}, ['airlock.v1', `ticket.${TICKET}`]), { status: 400, code: 'WSA_GUARD_ERR_MULTIPLE_CREDENTIALS' })
  t.match(await by('/ws', { authorization: 'Basic eDp5' }), { status: 401, seen: [] }, 'another scheme is not read')
})

t.test('an authenticator that fails', async t => {
  const app = await build(t)
  route(app, {
    authenticate: async ({ headers }) => {
      if (headers['x-bug'] !== undefined) throw new Error('bug')
      throw Object.assign(new Error('authority away'), { statusCode: 503, code: 'AWAY', headers: { 'retry-after': '2' } })
    }
  })
  const port = await listen(app)
  const away = await attempt(port, '/ws')
  t.match(away, { status: 503, code: 'AWAY' })
  t.equal(away.headers['retry-after'], '2')
  t.match(await attempt(port, '/ws', [], { headers: { 'x-bug': '1' } }), { status: 500 }, 'never 101')
})
