import { once } from 'node:events'
import t from 'tap'
import wsHub from '@fastify-airlock/hub'
import wsHandshake from '@fastify-airlock/handshake'
import websocket from '@fastify/websocket'
import { websocketOptions } from '@fastify-airlock/core'
import fastifyJwt from '@fastify/jwt'
import Fastify from 'fastify'
import { on } from 'node:events'
import type { AddressInfo } from 'node:net'
import { WebSocket } from 'ws'

t.test('a refresh that takes a scope away takes its topic away, before its answer', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket, websocketOptions())
  await app.register(fastifyJwt, { secret: 'a secret for tests that is long enough' })
  await app.register(wsHandshake)
  const left: unknown[] = []
  await app.register(wsHub, {
    authorizeTopic: async ({ claims }, topic) => String(claims?.scope).split(' ').includes(topic),
    onTopicLeft: (_socket, event) => { left.push(event) }
  })
  app.get('/ws', { websocket: true }, app.wsHandshake(socket => {
    socket.on('message', async data => {
      socket.send(String(await app.wsHub.requestJoin(socket, String(data))))
    })
  }))
  await app.listen({ port: 0, host: '127.0.0.1' })
  const client = new WebSocket(`ws://127.0.0.1:${(app.server.address() as AddressInfo).port}/ws`)
  t.teardown(() => client.terminate())
  const messages = on(client, 'message')
  const next = async () => String((await messages.next()).value[0])
  await once(client, 'open')
  const show = (type: string, scope: string) => client.send(JSON.stringify({ type, token: app.jwt.sign({ sub: 'alice', scope }, { expiresIn: 60 }) }))
  show('auth', 'news secret')
  t.match(await next(), 'auth_ok')
  for (const topic of ['news', 'secret']) {
    client.send(topic)
    t.equal(await next(), 'true')
  }
  app.wsHub.publish('secret', 'a secret')
  t.equal(await next(), 'a secret')
  show('refresh', 'news')
  t.match(await next(), 'refresh_ok')
  app.wsHub.publish('secret', 'another secret')
  app.wsHub.publish('news', 'news')
  t.equal(await next(), 'news')
  t.strictSame(left, [{ subject: 'alice', topic: 'secret', wildcard: false, reason: 'denied' }])
  t.equal(client.readyState, WebSocket.OPEN)
})
