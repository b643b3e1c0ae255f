import t from 'tap'
import { attempt, build, listen, raw, route, TICKET, ticketsOf, upgradeHead } from './helpers.js'

t.test('an invalid upgrade is refused with 400 and uses nothing up', async t => {
  const app = await build(t)
  route(app)
  const port = await listen(app)
  const path = `/ws?ticket=${TICKET}`

  for (const method of ['GET', 'HEAD'] as const) {
    const reply = await app.inject({ method, url: path })
    t.equal(reply.statusCode, 400, method)
    if (method === 'GET') t.match(reply.json(), { code: 'WSA_GUARD_ERR_NOT_UPGRADE', statusCode: 400, message: /Upgrade: websocket/ })
    if (method === 'GET') t.equal(reply.headers.upgrade, 'websocket')
  }

  const cases: Array<[string, Record<string, string | undefined>, RegExp]> = [
    ['h2c', { Upgrade: 'h2c' }, /Upgrade: websocket/],
    ['no key', { 'Sec-WebSocket-Key': undefined }, /Sec-WebSocket-Key/],
    ['no host', { Host: undefined }, /: Host is missing/],
    ['two hosts', { host: 'localhost' }, /: Host is missing/],
    ['a malformed host', { Host: 'user@localhost' }, /: Host is missing/],
    ['a body', { 'Transfer-Encoding': 'chunked' }, /the request has a body/],
    ['a length', { 'Content-Length': '5' }, /the request has a body/],
    ['a short key', { 'Sec-WebSocket-Key': 'AAAA' }, /Sec-WebSocket-Key/],
    ['no version', { 'Sec-WebSocket-Version': undefined }, /sec-websocket-version: 13/],
    ['version 8, whose Origin is elsewhere', { 'Sec-WebSocket-Version': '8', 'Sec-WebSocket-Origin': 'http://localhost' }, /sec-websocket-version: 13/],
    ['a malformed subprotocol list', { 'Sec-WebSocket-Protocol': 'airlock.v1,,x' }, /WSA_GUARD_ERR_SUBPROTOCOL/],
    ['a repeated subprotocol', { 'Sec-WebSocket-Protocol': 'airlock.v1, airlock.v1' }, /WSA_GUARD_ERR_SUBPROTOCOL/],
    ['an unknown subprotocol', { 'Sec-WebSocket-Protocol': 'chat' }, /WSA_GUARD_ERR_SUBPROTOCOL/]
  ]
  for (const [name, headers, answer] of cases) {
    const text = await (await raw(t, port, upgradeHead(path, headers))).text
    t.match(text, /^HTTP\/1\.1 400 /, name)
    t.match(text, answer, name)
  }
  for (const [name, target, answer] of [
    ['a fragment', `${path}#`, /a fragment or user information/],
    ['user information', `http://user@localhost${path}`, /a fragment or user information/],
    ['another authority', `http://evil.test${path}`, /: Host is missing/]
  ] as const) {
    t.match(await (await raw(t, port, upgradeHead(target))).text, answer, name)
  }
  t.match(await (await raw(t, port, upgradeHead(path).replace('HTTP/1.1', 'HTTP/1.0'))).text, /the version is not HTTP\/1\.1/)
  t.match(await (await raw(t, port, upgradeHead(path, {}, 'POST'))).text, /^HTTP\/1\.1 404 /, 'another method has no route')

  t.same(ticketsOf(app).asked, [], 'the ticket was not redeemed')
  t.match(await (await raw(t, port, upgradeHead('http://localhost/ws?ticket=no'))).text, /^HTTP\/1\.1 401 /, 'the absolute form is allowed')
  ticketsOf(app).asked.length = 0
  t.match(await attempt(port, path), { status: 101 }, 'it is still valid')
})

t.test('a ticket behind a semicolon is refused, and not spent', async t => {
  const app = await build(t, { server: { routerOptions: { useSemicolonDelimiter: true } } as object })
  route(app)
  const port = await listen(app)
  t.match(await attempt(port, `/ws;ticket=${TICKET}`), { status: 400, code: 'WSA_GUARD_ERR_MISPLACED_CREDENTIAL' })
  t.same(ticketsOf(app).asked, [])
  t.match(await attempt(port, '/ws;x=1', ['airlock.v1', `ticket.${TICKET}`]), { status: 101 })
})

t.test('a guard of a scope refuses requests of another method', async t => {
  const app = await build(t)
  app.addHook('preValidation', app.wsGuard())
  app.post('/post', async () => 'never')
  const reply = await app.inject({ method: 'POST', url: `/post?ticket=${TICKET}` })
  t.equal(reply.statusCode, 400)
  t.match(reply.json(), { code: 'WSA_GUARD_ERR_NOT_UPGRADE', message: /not GET/ })
  t.same(ticketsOf(app).asked, [])
})

t.test('with permessage-deflate on, bad offers are refused before the ticket is redeemed', async t => {
  const app = await build(t, { deflate: true })
  route(app)
  const port = await listen(app)
  const path = `/ws?ticket=${TICKET}`
  for (const offer of ['permessage-deflate; a b', 'permessage-deflate; unknown_parameter']) {
    const text = await (await raw(t, port, upgradeHead(path, { 'Sec-WebSocket-Extensions': offer }))).text
    t.match(text, /^HTTP\/1\.1 400 /, offer)
    t.match(text, /Sec-WebSocket-Extensions/, offer)
  }
  const other = await raw(t, port, upgradeHead('/ws?ticket=no', { 'Sec-WebSocket-Extensions': 'x-other' }))
  t.match(await other.text, /^HTTP\/1\.1 401 /, 'an unknown extension is ignored')
  t.same(ticketsOf(app).asked.length, 1)
  t.match(await attempt(port, path, [], { perMessageDeflate: true }), { status: 101 })
})
