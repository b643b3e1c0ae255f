import t, { type Test } from 'tap'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import fastifyJwt from '@fastify/jwt'
import websocket from '@fastify/websocket'
import { websocketOptions } from '@fastify-airlock/core'
import wsHandshake from '@fastify-airlock/handshake'
import wsHub from '@fastify-airlock/hub'
import Fastify, { type FastifyInstance } from 'fastify'
import { WebSocket } from 'ws'
import wsTopics from '../src/index.js'
import { build, clientOf, until } from './helpers.js'

async function twoDoors (t: Test, { plugin = true, hub = true, handler = 'now' as 'now' | 'late' } = {}) {
  const app: FastifyInstance = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket, websocketOptions({ closeTimeout: 30_000 }))
  await app.register(fastifyJwt, { secret: 'a secret for tests that is long enough' })
  await app.register(wsHandshake)
  await app.register(wsHub, { authorizeTopic: () => true })
  if (plugin) await app.register(wsTopics, { maxTopics: 7 })
  const heard: string[] = []
  let release = (): void => {}
  app.get('/ws', { websocket: true }, app.wsHandshake(async socket => {
    if (handler === 'late') await new Promise<void>(resolve => { release = resolve })
    socket.on('message', data => { heard.push(data.toString()) })
  }, { hub }))
  await app.listen({ port: 0, host: '127.0.0.1' })
  const open = async (auth: object) => {
    const socket = new WebSocket(`ws://127.0.0.1:${(app.server.address() as AddressInfo).port}/ws`)
    t.teardown(() => socket.terminate())
    await once(socket, 'open')
    const client = clientOf(socket)
    client.send({ type: 'auth', token: app.jwt.sign({ sub: 'alice' }, { expiresIn: 60 }), ...auth })
    return { ...client, ok: await client.of('auth_ok') }
  }
  return { app, heard, open, release: () => release() }
}

const SUBSCRIBE = JSON.stringify({ type: 'topic:subscribe', topics: [{ topic: 'news' }] })

t.test('a client that asks for the extension has it', async t => {
  const { open, heard } = await twoDoors(t)
  const { ok, subscribe } = await open({ topics: true })
  t.same(ok.topics, { max: 7 })
  t.match(await subscribe('news'), { type: 'topic:subscribed' })
  t.same(heard, [])
})

t.test('nobody else does, and topic messages are the application\'s then', async t => {
  const cases: Array<[name: string, auth: object, setup: Parameters<typeof twoDoors>[1]]> = [
    ['a client that does not ask', {}, {}],
    ['one that asks with something else', { topics: 1 }, {}],
    ['a server without the plugin', { topics: true }, { plugin: false }],
    ['a route without the hub', { topics: true }, { hub: false }]
  ]
  for (const [name, auth, setup] of cases) {
    const { open, heard } = await twoDoors(t, setup)
    const { ok, send, settle, all } = await open(auth)
    t.equal(ok.topics, undefined, name)
    send(SUBSCRIBE)
    await settle()
    t.same(heard, [SUBSCRIBE], name)
    t.equal(all.length, 1, `${name}: no answer`)
  }
})

t.test('a handler that takes its time does not hold topics up', async t => {
  const { open, heard, release } = await twoDoors(t, { handler: 'late' })
  const { subscribe, send, settle } = await open({ topics: true })
  send('first')
  t.match(await subscribe('news'), { type: 'topic:subscribed' })
  t.same(heard, [])
  release()
  await settle()
  t.same(heard, ['first'])
})

t.test('the offer is bounded by what the hub allows', async t => {
  const { topics } = await build(t, { hub: { maxTopicsPerConnection: 3 } })
  t.same(topics.offer, { max: 3 })
})

t.test('accept() wants a socket of the hub, once', async t => {
  const { app, connect, sockets } = await build(t, { before: app => { app.get('/stranger', { websocket: true }, socket => { sockets.push(socket) }) } })
  const client = await connect()
  const [socket] = sockets as [WebSocket]
  app.wsTopics.accept(socket)
  t.match(await client.subscribe('news'), { type: 'topic:subscribed' })
  client.send({ type: 'topic:subscribe', topics: [{ topic: 'other' }] })
  await client.settle()
  t.equal(client.all.filter(({ topic }) => topic === 'other').length, 1, 'one answer')
  const closed = once(socket, 'close')
  await client.close()
  await closed
  t.equal(app.wsTopics.accept(socket), undefined, 'one that has closed')
  const stranger = new WebSocket(`ws://127.0.0.1:${(app.server.address() as AddressInfo).port}/stranger`)
  t.teardown(() => stranger.terminate())
  await once(stranger, 'open')
  await until(() => sockets.length === 2)
  t.throws(() => app.wsTopics.accept(sockets[1] as WebSocket), { code: 'WSA_TOPICS_ERR_UNKNOWN_SOCKET' })
})
