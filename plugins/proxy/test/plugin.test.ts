import websocket from '@fastify/websocket'
import Fastify from 'fastify'
import { once } from 'node:events'
import { request } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import namedOrDefault, * as api from '../src/index.js'
import { build, client, connect, echo, refusal, route, tcp, until, upgrade, upstream } from './helpers.js'

const { wsProxy } = api

t.test('the plugin is exported twice, the errors under their codes', async t => {
  t.equal(namedOrDefault, wsProxy)
  for (const [name, value] of Object.entries(api)) {
    if (!name.startsWith('WSA_')) continue
    const Error = value as new (detail: string) => { code: string }
    t.equal(new Error('x').code, name)
  }
})

t.test('the plugin works alone on a bare Fastify with @fastify/websocket', async t => {
  const far = await upstream(t, { onConnection: echo })
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket)
  await app.register(wsProxy)
  const proxy = app.wsProxy({ upstream: far.url, headers: { 'X-Api-Key': 'k' } })
  app.get('/ws', { websocket: true, preValidation: proxy.dial }, proxy)
  await app.listen({ port: 0, host: '127.0.0.1' })

  const near = await connect(t, (app.server.address() as AddressInfo).port)
  near.socket.send('hello')
  t.equal(await near.text(), 'hello')
  t.equal((await far.next()).request.headers['x-api-key'], 'k')
  await app.close()
  await until(() => app.wsProxy.open === 0)
})

t.test('injectWS works, although the request has no TCP socket', async t => {
  const far = await upstream(t, { onConnection: echo })
  const { app } = await build(t, { proxy: { upstream: far.url, xForwarded: true } })
  const near = await app.injectWS('/ws')
  near.send('hello')
  const [data] = await once(near, 'message')
  t.equal(String(data), 'hello')
  const { request, closed } = await far.next()
  t.notMatch(Object.keys(request.headers).join(), 'x-forwarded')
  near.terminate()
  t.same(await closed, [1001, 'client connection lost'])

  await far.close()
  await t.rejects(app.injectWS('/ws'), { message: 'Unexpected server response: 502' })
})

t.test('a request that is no upgrade does not dial', async t => {
  const far = await upstream(t)
  const { app, port } = await build(t, { proxy: { upstream: far.url } })
  for (const method of ['GET', 'HEAD']) {
    const call = request({ port, host: '127.0.0.1', path: '/ws', method, agent: false }).end()
    const [response] = await once(call, 'response')
    t.equal(response.statusCode, 404)
    response.resume()
  }
  t.equal(far.requests.length, 0)

  // Only ws notices this, after the hooks.
  const socket = tcp(t, port, upgrade().replace('Version: 13', 'Version: 12'))
  const [answer] = await once(socket, 'data')
  t.match(String(answer), /^HTTP\/1\.1 400 /)
  const { closed } = await far.next()
  await closed
  await until(() => app.wsProxy.open === 0)
})

t.test('a route without the hook, or with that of another proxy, never reaches an upstream', async t => {
  const [one, other] = [await upstream(t), await upstream(t)]
  const { app, lines, port } = await build(t, {
    proxy: {},
    routes: app => {
      const proxy = app.wsProxy({ upstream: one.url })
      app.get('/none', { websocket: true }, proxy)
      app.get('/other', { websocket: true, preValidation: app.wsProxy({ upstream: other.url }).dial }, proxy)
      app.get('/plain', { preValidation: proxy.dial }, proxy as never)
    }
  })
  for (const path of ['/none', '/other']) {
    const { closed } = client(t, port, [], {}, path)
    t.same(await closed, [1006, ''])
    t.match(lines.join(''), 'Name the dial hook of the proxy')
    lines.length = 0
  }
  t.match((await app.inject('/plain')).json(), { statusCode: 500, code: 'WSA_PROXY_ERR_NOT_DIALLED' })
  t.equal(one.requests.length, 0)
  await until(() => app.wsProxy.open === 0)
})

t.test('a hook that is named twice dials once', async t => {
  const far = await upstream(t)
  const { app, port } = await build(t, {
    proxy: { upstream: far.url },
    routes: app => {
      const proxy = app.wsProxy()
      route(app, proxy, proxy.dial)
    }
  })
  const { socket } = await connect(t, port)
  t.equal(far.requests.length, 1)
  t.equal(app.wsProxy.open, 1)
  socket.terminate()
  await until(() => app.wsProxy.open === 0)
})

t.test('nothing is dialled if the client has left during an earlier hook', async t => {
  const far = await upstream(t)
  const { app, lines, port } = await build(t, {
    proxy: { upstream: far.url },
    routes: app => route(app, app.wsProxy(), (request, _reply, done) => {
      request.raw.socket.on('close', () => done())
      request.raw.socket.destroy()
    })
  })
  const { closed } = client(t, port)
  await closed
  await until(() => lines.join('').includes('WSA_PROXY_ERR_CLIENT_GONE'))
  t.equal(far.requests.length, 0)
  t.equal(app.wsProxy.dialling, 0)
})

t.test('@fastify/websocket has to be registered first', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await t.rejects(async () => { await app.register(wsProxy) }, { code: 'WSA_PROXY_ERR_NO_WEBSOCKET', statusCode: 500 })
})

t.test('options are checked at registration and when a proxy is made', async t => {
  const make = async (defaults: object, options?: object) => {
    const app = Fastify()
    t.teardown(() => app.close())
    await app.register(websocket)
    await app.register(wsProxy, defaults)
    app.wsProxy(options)
  }
  const upstream = 'ws://localhost'
  await make({ upstream })
  await make({ dialTimeout: 1 }, { upstream: new URL('wss://user:pass@localhost/path?query'), idleTimeout: 1, tls: { servername: 'x' } })
  const cases: Array<[object, object, RegExp]> = [
    [{}, {}, /upstream/],
    [{ dialTimeout: 0 }, { upstream }, /dialTimeout/],
    [{}, { upstream: 'localhost:80' }, /upstream: Expected ws/],
    [{}, { upstream: '/ws' }, /upstream: Expected a URL/],
    [{}, { upstream: 5 }, /upstream: Expected a URL/],
    [{}, { upstream: 'http://localhost' }, /upstream: Expected ws/],
    [{}, { upstream: 'ws://localhost/#x' }, /upstream: Expected ws/],
    [{}, { upstream, header: {} }, /header/],
    [{}, { upstream, headers: 'x' }, /headers/],
    [{}, { upstream, headers: { 'X-Api-Key': undefined } }, /headers: "X-Api-Key" has no value/],
    [{}, { upstream, headers: { 'X-Api-Key': '' } }, /headers: "X-Api-Key" has no value/],
    [{}, { upstream, headers: { Upgrade: 'x' } }, /headers: "Upgrade" cannot be set/],
    [{}, { upstream, headers: { 'Sec-WebSocket-Key': 'x' } }, /headers: "Sec-WebSocket-Key" cannot be set/],
    [{}, { upstream, headers: { 'a b': 'x' } }, /headers: .*a b/],
    [{}, { upstream, headers: { a: 'sec\nret' } }, /headers: (?!.*sec\nret)/],
    [{}, { upstream, forwardHeaders: ['Host'] }, /forwardHeaders\.0: This header belongs/],
    [{}, { upstream, forwardHeaders: ['a b'] }, /forwardHeaders\.0: Expected the name/],
    [{}, { upstream, responseHeaders: ['sec-websocket-accept'] }, /responseHeaders\.0: This header belongs/],
    [{}, { upstream, responseHeaders: ['x'], dial: 'authenticated' }, /responseHeaders: The 101/],
    [{}, { upstream, protocols: ['ticket.x'] }, /protocols\.0: This subprotocol carries/],
    [{}, { upstream, protocols: ['bearer.x'] }, /protocols\.0: This subprotocol carries/],
    [{}, { upstream, protocols: ['a b'] }, /protocols\.0: Expected a subprotocol/],
    [{}, { upstream, tls: {} }, /tls: The upstream is not wss/],
    [{}, { upstream: 'wss://localhost', tls: { cert: 'nonsense' } }, /tls: /],
    [{}, { upstream: 'wss://localhost', tls: { rejectUnauthorised: false } }, /tls\.rejectUnauthorised/],
    [{}, { upstream, highWaterMark: 10, lowWaterMark: 10 }, /lowWaterMark: Expected less/],
    [{}, { upstream, dial: 'late' }, /dial/],
    [{}, { upstream, pings: 'drop' }, /pings/]
  ]
  for (const [defaults, options, message] of cases) {
    await t.rejects(make(defaults, options), { code: 'WSA_PROXY_ERR_OPTION', message }, String(message))
  }
  await t.rejects(make({}), { code: 'WSA_PROXY_ERR_OPTION' })
})

t.test('a later hook that refuses closes the upstream', async t => {
  const far = await upstream(t)
  const { app, port } = await build(t, {
    proxy: { upstream: far.url },
    after: [(_request, reply) => { reply.code(418).send({ no: true }) }]
  })
  t.match(await refusal(t, port), { status: 418 })
  t.same(await (await far.next()).closed, [1001, 'client connection lost'])
  await until(() => app.wsProxy.open === 0)
})
