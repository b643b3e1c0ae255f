import t from 'tap'
import { attempt, build, listen, route, TICKET, ticketsOf } from './helpers.js'

t.test('a foreign Origin gets 403 and uses nothing up', async t => {
  const app = await build(t)
  route(app)
  const port = await listen(app)
  const path = `/ws?ticket=${TICKET}`
  t.match(await attempt(port, path, [], { origin: 'https://evil.test' }), { status: 403, code: 'WSA_GUARD_ERR_ORIGIN' })
  t.match(await attempt(port, path, [], { origin: 'null' }), { status: 403 })
  t.same(ticketsOf(app).asked, [])
  t.match(await attempt(port, path, [], { origin: `http://127.0.0.1:${port}` }), { status: 101 })
  t.match(ticketsOf(app).asked[0]?.context, { origin: `http://127.0.0.1:${port}`, ip: '127.0.0.1' })
})

t.test('a list at registration applies to every guard, a list of a guard to that guard', async t => {
  const app = await build(t, { guard: { allowedOrigins: ['https://app.test'], authenticate: () => ({ subject: 'u1' }) } })
  route(app)
  app.get('/other', { websocket: true, preValidation: app.wsGuard({ allowedOrigins: ['https://other.test'] }) }, socket => { socket.send('null') })
  const port = await listen(app)
  t.match(await attempt(port, '/ws', [], { origin: 'https://app.test' }), { status: 101 })
  t.match(await attempt(port, '/ws', [], { origin: `http://127.0.0.1:${port}` }), { status: 403 }, 'a list replaces the check of the host')
  t.match(await attempt(port, '/other', [], { origin: 'https://app.test' }), { status: 403 })
  t.match(await attempt(port, '/other', [], { origin: 'https://other.test' }), { status: 101 })
})

t.test('a browser whose Origin was taken away shows by Sec-Fetch-Site that it is one', async t => {
  const app = await build(t)
  const check = { carriers: { header: true }, authenticate: () => ({ subject: 'u1' }) }
  for (const [path, options] of Object.entries({
    '/function': { authenticate: () => ({ subject: 'u1' }) },
    '/header': { authenticate: check },
    '/listed': { authenticate: check, allowedOrigins: ['https://app.test'] },
    '/allow': { authenticate: check, missingOrigin: 'allow' as const },
    '/errors': { authenticate: check, refusalErrors: true },
    '/ticket': {}
  })) app.get(path, { websocket: true, preValidation: app.wsGuard(options) }, socket => { socket.send('null') })
  const port = await listen(app)
  // As a proxy sets it that has signed the user in.
  const authorization = 'Bearer x'
  for (const [path, site, status] of [
    ...['/function', '/header', '/errors'].flatMap(path => ([['cross-site', 403], ['same-site', 403], ['same-origin', 101], ['none', 101], [undefined, 101]] as const).map(row => [path, ...row] as const)),
    ['/listed', 'same-origin', 403], ['/listed', 'cross-site', 403], ['/listed', undefined, 101],
    ['/allow', 'cross-site', 101],
    ['/ticket', 'cross-site', 101]
  ] as ReadonlyArray<readonly [string, string | undefined, number]>) {
    ticketsOf(app).live.add(TICKET)
    const headers = path === '/ticket' ? {} : { authorization }
    const outcome = await attempt(port, path === '/ticket' ? `${path}?ticket=${TICKET}` : path, [], { headers: { ...headers, ...site !== undefined && { 'sec-fetch-site': site }, 'sec-fetch-mode': 'websocket' } })
    t.match(outcome, { status, ...status === 403 && { code: 'WSA_GUARD_ERR_ORIGIN' } }, `${path}, ${String(site)}`)
  }
})

t.test('a missing Origin: denied with a cookie, allowed with an explicit credential, or as the option says', async t => {
  const app = await build(t)
  const routes = { auto: '/auto', allow: '/allow', deny: '/deny' } as const
  for (const [missingOrigin, path] of Object.entries(routes)) {
    app.get(path, { websocket: true, preValidation: app.wsGuard({ missingOrigin: missingOrigin as 'auto' }) }, socket => { socket.send('null') })
  }
  app.get('/function', { websocket: true, preValidation: app.wsGuard({ authenticate: () => ({ subject: 'u1' }) }) }, socket => { socket.send('null') })
  const port = await listen(app)
  const cookie = { headers: { cookie: `ticket=${TICKET}` } }

  t.match(await attempt(port, '/auto', [], cookie), { status: 403, code: 'WSA_GUARD_ERR_ORIGIN' })
  t.match(await attempt(port, '/deny', [], cookie), { status: 403 })
  t.match(await attempt(port, `/deny?ticket=${TICKET}`), { status: 403 })
  t.match(await attempt(port, '/auto', [], { headers: { cookie: 'other=1' } }), { status: 401 }, 'the other cookie is no credential')
  t.same(ticketsOf(app).asked, [])

  t.match(await attempt(port, '/allow', [], cookie), { status: 101 })
  ticketsOf(app).live.add(TICKET)
  t.match(await attempt(port, `/auto?ticket=${TICKET}`), { status: 101 })
  ticketsOf(app).live.add(TICKET)
  t.match(await attempt(port, '/auto', [], { ...cookie, origin: `http://127.0.0.1:${port}` }), { status: 101 }, 'a cookie with an Origin is accepted')

  t.match(await attempt(port, '/function'), { status: 101 })
  t.match(await attempt(port, '/function', [], { headers: { cookie: 'session=1' } }), { status: 403 }, 'a function may read the cookie')
})
