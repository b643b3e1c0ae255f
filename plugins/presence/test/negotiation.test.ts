import t, { type Test } from 'tap'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import fastifyJwt from '@fastify/jwt'
import websocket from '@fastify/websocket'
import { websocketOptions } from '@fastify-airlock/core'
import wsHandshake from '@fastify-airlock/handshake'
import wsHub from '@fastify-airlock/hub'
import wsTopics from '@fastify-airlock/topics'
import Fastify, { type FastifyInstance } from 'fastify'
import { WebSocket } from 'ws'
import wsPresence from '../src/index.js'
import { build, clientOf } from './helpers.js'

async function twoDoors (t: Test, { plugin = true, hub = true } = {}) {
  const app: FastifyInstance = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket, websocketOptions({ closeTimeout: 30_000 }))
  await app.register(fastifyJwt, { secret: 'a secret for tests that is long enough' })
  await app.register(wsHandshake)
  await app.register(wsHub, { authorizeTopic: () => true })
  await app.register(wsTopics)
  if (plugin) await app.register(wsPresence, { maxTopics: 7, interval: 1 })
  const heard: string[] = []
  app.get('/ws', { websocket: true }, app.wsHandshake(socket => {
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
  return { app, heard, open }
}

const WATCH = JSON.stringify({ type: 'presence:watch', topics: ['news'] })

t.test('a client that asks for the extension has it, beside topics', async t => {
  const { open, heard } = await twoDoors(t)
  const { ok, watch, send, of, sees } = await open({ presence: true, topics: true })
  t.same([ok.presence, ok.topics], [{ max: 7 }, { max: 100 }])
  t.match(await watch('news'), { type: 'presence:list', total: 0 })
  send({ type: 'topic:subscribe', topics: [{ topic: 'news' }] })
  t.match(await of('topic:subscribed'), { topic: 'news' })
  await sees('news', { alice: 1 })
  send({ type: 'topic:unsubscribe', topics: ['news'] })
  await sees('news', {})
  t.same(heard, [])
})

t.test('nobody else does, and its messages are the application\'s then', async t => {
  const cases: Array<[name: string, auth: object, setup: Parameters<typeof twoDoors>[1]]> = [
    ['a client that does not ask', { topics: true }, {}],
    ['one that asks with something else', { presence: 1 }, {}],
    ['a server without the plugin', { presence: true }, { plugin: false }],
    ['a route without the hub', { presence: true }, { hub: false }]
  ]
  for (const [name, auth, setup] of cases) {
    const { open, heard } = await twoDoors(t, setup)
    const { ok, send, settle, all } = await open(auth)
    t.equal(ok.presence, undefined, name)
    send(WATCH)
    await settle()
    t.same(heard, [WATCH], name)
    t.equal(all.length, 1, `${name}: no answer`)
  }
})

t.test('accept() may be called twice', async t => {
  const { connect, presence, sockets } = await build(t)
  const client = await connect('alice')
  presence.accept(sockets[0] as never)
  await client.watch('room')
  await client.settle()
  t.equal(client.all.length, 1, 'one answer')
})
