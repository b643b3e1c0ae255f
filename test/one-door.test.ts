import fastifyJwt from '@fastify/jwt'
import websocket from '@fastify/websocket'
import { websocketOptions, type WsIdentity } from '@fastify-airlock/core'
import wsGuard, { jwt } from '@fastify-airlock/guard'
import wsHandshake from '@fastify-airlock/handshake'
import wsHub from '@fastify-airlock/hub'
import wsIntrospect from '@fastify-airlock/introspect'
import Fastify from 'fastify'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import type { Test } from 'tap'
import { WebSocket } from 'ws'
import { clock, until } from './helpers.js'

/** A token is its life in seconds, which begins when it is verified. */
const verify = (token: string) => ({ sub: 'alice', exp: Date.now() / 1000 + Number(token) })

async function build (t: Test) {
  // Before the server, which takes its clocks once.
  const set = clock(t)
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket, websocketOptions())
  await app.register(wsGuard)
  await app.register(fastifyJwt, { secret: 'a secret for tests that is long enough' })
  await app.register(wsHub)
  const connect = async (path: string, token: string) => {
    const { port } = app.server.address() as AddressInfo
    const client = new WebSocket(`ws://127.0.0.1:${port}${path}`, ['airlock.v1', `bearer.${token}`])
    t.teardown(() => client.terminate())
    await once(client, 'open')
    return client
  }
  return { app, connect, set }
}

t.test('with a handshake on the route, the token of the first frame decides', async t => {
  const { app, connect, set } = await build(t)
  await app.register(wsHandshake, { jwt: { verify } })
  app.get('/one', { websocket: true, preValidation: app.wsGuard({ authenticate: jwt({ verify }) }) }, (socket, request) => {
    app.wsHub.add(socket, request.wsIdentity as WsIdentity)
  })
  app.get('/two', { websocket: true, preValidation: app.wsGuard({ authenticate: jwt({ verify }) }) }, app.wsHandshake(() => {}))
  await app.listen({ port: 0, host: '127.0.0.1' })
  const two = await connect('/two', '3600')
  two.send(JSON.stringify({ type: 'auth', token: '86400' }))
  await once(two, 'message')
  const one = await connect('/one', '3700')
  const closed = once(one, 'close')
  set.ahead += 3_700_000
  const [code, reason] = await closed
  t.strictSame([code, String(reason)], [4401, 'token expired'], 'the hub\'s connections too')
  t.equal(two.readyState, WebSocket.OPEN)
})

t.test('with wsIntrospect.watch, the authority may put the expiry off', async t => {
  const { app, connect, set } = await build(t)
  let calls = 0
  await app.register(wsIntrospect, {
    cacheTtl: 0,
    lookup: token => ({ subject: token, expiresAt: Date.now() + (calls++ === 0 ? 3_600_000 : 86_400_000) })
  })
  app.get('/watched', { websocket: true, preValidation: app.wsGuard({ authenticate: app.wsIntrospect.authenticator() }) }, (socket, request) => {
    app.wsIntrospect.watch(socket, request)
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const watched = await connect('/watched', 'alice-with-a-token')
  set.ahead += 3_600_000
  await until(() => calls > 1)
  watched.ping()
  await once(watched, 'pong')
  t.equal(watched.readyState, WebSocket.OPEN)
})
