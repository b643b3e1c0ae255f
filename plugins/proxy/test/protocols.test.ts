import t from 'tap'
import { offersFor } from '../src/upgrade.js'
import { build, connect, refusal, upstream } from './helpers.js'

/** Options of an upstream that speaks these subprotocols. */
const speaking = (...spoken: string[]) => ({
  options: { handleProtocols: (offered: Set<string>) => spoken.find(protocol => offered.has(protocol)) ?? false as const }
})

t.test("the 101 names what the upstream selects, in the client's order of preference", async t => {
  const far = await upstream(t, speaking('v1', 'v2', 'v3'))
  const { port } = await build(t, { proxy: { upstream: far.url, protocols: ['v1', 'v2'] } })
  const { socket } = await connect(t, port, ['ticket.secret', 'v3', 'v2', 'bearer.secret', 'v1'])
  t.equal(socket.protocol, 'v1')
  t.equal((await far.next()).request.headers['sec-websocket-protocol'], 'v2,v1', 'neither credentials nor unnamed subprotocols are offered')
})

t.test('an upstream that selects none of the offers is a 502', async t => {
  const far = await upstream(t, speaking('v9'))
  const { lines, port } = await build(t, { proxy: { upstream: far.url, protocols: ['v1'] } })
  t.match(await refusal(t, port, ['v1']), { status: 502, body: { code: 'WSA_PROXY_ERR_UPSTREAM_REFUSED' } })
  t.match(lines.join(''), 'Server sent no subprotocol')
})

t.test('an upstream that selects what it was not offered is a 502', async t => {
  const far = await upstream(t, { options: { handleProtocols: () => 'v9' } })
  const { port } = await build(t, { proxy: { upstream: far.url, protocols: ['v1'] } })
  t.match(await refusal(t, port, ['v1']), { status: 502 })
})

t.test('without negotiation the 101 names what the server selects, or nothing', async t => {
  const far = await upstream(t)
  const { app, port } = await build(t, {
    proxy: { upstream: far.url, protocols: ['v1'] },
    routes: app => {
      const proxy = app.wsProxy()
      app.get('/ws', { websocket: true, preValidation: proxy.dial }, proxy)
      app.get('/other', { websocket: true }, () => {})
    }
  })
  await t.rejects(connect(t, port, ['v2']), { message: 'Server sent no subprotocol' })
  t.equal((await far.next()).request.headers['sec-websocket-protocol'], undefined)
  const other = await connect(t, port, ['v2', 'v1'], {}, '/other')
  t.equal(other.socket.protocol, 'v2', 'a route without a proxy is left alone')

  const none = await connect(t, port)
  t.equal(none.socket.protocol, '')
  await app.close()
})

t.test('a handler of the server decides about everything else', async t => {
  const far = await upstream(t)
  const { port } = await build(t, {
    proxy: { upstream: far.url, protocols: ['v1'] },
    routes: app => {
      app.websocketServer.options.handleProtocols = offered => offered.has('airlock.v1') ? 'airlock.v1' : false
      const proxy = app.wsProxy()
      app.get('/ws', { websocket: true, preValidation: proxy.dial }, proxy)
    }
  })
  const own = await connect(t, port, ['ticket.secret', 'airlock.v1'])
  t.equal(own.socket.protocol, 'airlock.v1')
  const negotiated = await connect(t, port, ['airlock.v1', 'v1'])
  t.equal(negotiated.socket.protocol, 'v1')
})

t.test('dialled late, the upstream has to select what the 101 has named', async t => {
  const far = await upstream(t, speaking('v2'))
  const { port } = await build(t, {
    proxy: { upstream: far.url, protocols: ['v1', 'v2'], dial: 'authenticated' },
    routes: app => { app.get('/ws', { websocket: true }, app.wsProxy()) }
  })
  const fits = await connect(t, port, ['v2', 'v1'])
  t.equal(fits.socket.protocol, 'v2')
  t.equal((await far.next()).socket.protocol, 'v2')
  const misfits = await connect(t, port, ['v1', 'v2'])
  t.same(await misfits.closed, [1014, 'upstream unavailable'])
})

t.test('the upstream is offered what both sides speak', async t => {
  t.strictSame(offersFor(undefined, ['a']), [])
  t.strictSame(offersFor('a, b', []), [])
  t.strictSame(offersFor('', ['a']), [])
  t.strictSame(offersFor(' b ,a,b, c,,', ['a', 'b']), ['b', 'a'])
})
