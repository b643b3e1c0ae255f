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
  t.match(await (await raw(t, port, upgradeHead(path, {}, 'POST'))).text, /^HTTP\/1\.1 404 /, 'another method has no route')

  t.same(ticketsOf(app).asked, [], 'the ticket was not redeemed')
  t.match(await attempt(port, path), { status: 101 }, 'it is still valid')
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
