import { requireServer, startMongo, startRedis } from '@fastify-airlock/test-servers'
import { MemoryStore, type TicketStore } from '@fastify-airlock/ticket'
import { MongoStore } from '@fastify-airlock/ticket/mongodb'
import { RedisStore } from '@fastify-airlock/ticket/redis'
import rateLimit from '@fastify/rate-limit'
import airlock, { serverOptions } from 'fastify-airlock'
import Fastify from 'fastify'
import { Redis } from 'ioredis'
import { MongoClient } from 'mongodb'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { holds, SECRET, sign, tokensOf } from './look.js'

t.jobs = 3
t.setTimeout(480_000)

async function look (t: Test, store: TicketStore): Promise<void> {
  const app = Fastify(serverOptions())
  t.teardown(() => app.close())
  await app.register(rateLimit, { global: false })
  await app.register(airlock, { jwt: { secret: SECRET }, ticket: { store, route: { rateLimit: { max: 110 } } } })
  app.wsRoute('/ws', socket => { socket.on('message', data => socket.send(String(data))) })
  app.wsRoute('/ws/admin', { handshake: { authorize: ({ claims }) => claims.role === 'admin' } }, () => {})
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const seconds = Math.floor(Date.now() / 1_000)
  await holds(t, {
    url: `ws://127.0.0.1:${port}/ws`,
    ticketUrl: `http://127.0.0.1:${port}/ws/ticket`,
    forbiddenUrl: `ws://127.0.0.1:${port}/ws/admin`,
    drain: 120_000,
    exhaust: true,
    ...tokensOf(sign({ sub: 'alice', iat: seconds - 200, exp: seconds + 60 }), sign({ sub: 'bob', iat: seconds, exp: seconds + 60 }))
  }, {
    skipped: ['key-confusion', 'tls', 'tls-version', 'tls-certificate', 'hsts'],
    onDrain: () => { app.close() }
  })
}

t.test('the preset, tickets in memory', { buffered: true }, async t => await look(t, new MemoryStore()))

t.test('the preset, tickets in Redis', { buffered: true }, async t => {
  const server = requireServer(t, await startRedis())
  if (server === null) return
  t.teardown(() => server.stop())
  const redis = new Redis(server.url)
  t.teardown(() => { redis.disconnect() })
  await look(t, new RedisStore(redis))
})

t.test('the preset, tickets in MongoDB', { buffered: true }, async t => {
  const server = requireServer(t, await startMongo())
  if (server === null) return
  t.teardown(() => server.stop())
  const client = new MongoClient(server.url)
  t.teardown(() => client.close())
  await look(t, new MongoStore(client.db('airlock')))
})
