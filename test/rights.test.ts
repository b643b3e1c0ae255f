import fastifyJwt from '@fastify/jwt'
import websocket from '@fastify/websocket'
import { websocketOptions } from '@fastify-airlock/core'
import wsHandshake from '@fastify-airlock/handshake'
import wsHub from '@fastify-airlock/hub'
import { testServer } from '@fastify-airlock/testing'
import Fastify from 'fastify'
import t from 'tap'

t.test('a refresh that takes a scope away takes its topic away, before its answer', async t => {
  const app = Fastify()
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
  const device = (await testServer(app, { t })).device('alice')
  const alice = await device.open('/ws', { doors: 'two', token: await device.sign({ scope: 'news secret' }) })
  for (const topic of ['news', 'secret']) t.equal(await alice.ask(topic), true)
  app.wsHub.publish('secret', 'a secret')
  t.equal(await alice.next(), 'a secret')
  await alice.refresh(await device.sign({ scope: 'news' }))
  app.wsHub.publish('secret', 'another secret')
  app.wsHub.publish('news', 'news')
  t.equal(await alice.next(), 'news')
  await alice.never()
  t.strictSame(left, [{ subject: 'alice', topic: 'secret', wildcard: false, reason: 'denied' }])
  t.ok(alice.isOpen)
})
