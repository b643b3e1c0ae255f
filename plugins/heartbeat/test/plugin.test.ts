import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import websocket from '@fastify/websocket'
import Fastify from 'fastify'
import t from 'tap'
import namedOrDefault, * as api from '../src/index.js'
import { as, bare, build, connect, FakeSocket } from './helpers.js'

const { wsHeartbeat } = api

t.test('exports the plugin twice, and the errors under their codes', async t => {
  t.equal(namedOrDefault, wsHeartbeat)
  t.same(Object.keys(api).sort(), ['WSA_HEARTBEAT_ERR_NO_WEBSOCKET', 'WSA_HEARTBEAT_ERR_OPTION', 'default', 'wsHeartbeat'])
  t.equal(new api.WSA_HEARTBEAT_ERR_OPTION('x').code, 'WSA_HEARTBEAT_ERR_OPTION')
  t.equal(new api.WSA_HEARTBEAT_ERR_NO_WEBSOCKET().code, 'WSA_HEARTBEAT_ERR_NO_WEBSOCKET')
})

t.test('alone on a bare Fastify with @fastify/websocket', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket)
  await app.register(wsHeartbeat)
  app.get('/ws', { websocket: true }, socket => { socket.on('message', data => { socket.send(data) }) })
  await app.listen({ port: 0, host: '127.0.0.1' })

  const client = connect(t, (app.server.address() as AddressInfo).port)
  await once(client, 'open')
  t.equal(app.wsHeartbeat.size, 1, 'watched from the upgrade on, without a call')
  client.send('hello')
  const [data] = await once(client, 'message')
  t.equal(String(data), 'hello')
  t.equal(app.wsHeartbeat.pings, 0)
  t.equal(app.wsHeartbeat.terminated, 0)
})

t.test('requires @fastify/websocket', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await t.rejects(async () => { await app.register(wsHeartbeat) }, { code: 'WSA_HEARTBEAT_ERR_NO_WEBSOCKET', statusCode: 500 })
})

t.test('refuses invalid options', async t => {
  for (const [options, message] of [
    [{ interval: 0 }, 'interval'],
    [{ interval: '25s' }, 'interval'],
    [{ timeout: 1.5 }, 'timeout'],
    [{ timeout: 25_001 }, 'timeout: Expected at most interval'],
    [{ interval: 1_000, timeout: 1_001 }, 'timeout: Expected at most interval'],
    [{ auto: 'yes' }, 'auto'],
    [{ intervall: 1_000 }, 'intervall']
  ] as const) {
    const app = Fastify()
    t.teardown(() => app.close())
    await app.register(websocket)
    await t.rejects(
      async () => { await app.register(wsHeartbeat, options as object) },
      { code: 'WSA_HEARTBEAT_ERR_OPTION', message: `Invalid heartbeat option: ${message}` },
      JSON.stringify(options)
    )
  }
})

t.test('a timeout as long as the interval is allowed, and a short interval needs no timeout', async t => {
  for (const options of [{ interval: 1_000 }, { interval: 10_000, timeout: 10_000 }]) {
    const { heartbeat } = await build(t, options)
    t.equal(heartbeat.size, 0)
  }
})

t.test('without auto, only connections passed to watch are watched', async t => {
  const { app, heartbeat, port, next } = await build(t, { auto: false, interval: 60, timeout: 30 })
  const [stranger, mute, dead] = [bare(t, port), bare(t, port), bare(t, port)]
  await once(stranger, 'data')
  const left = await next()
  const byHand = [await next(), await next()] as const
  t.equal(heartbeat.size, 0)
  t.equal(heartbeat.watch(byHand[0].socket), true)
  t.equal(heartbeat.watch(byHand[1].socket, byHand[1].request), true)
  t.equal(heartbeat.watch(byHand[1].socket), true, 'once is enough')
  t.equal(heartbeat.size, 2)
  await Promise.all(byHand.map(async ({ lifetime }) => await lifetime))
  t.equal(heartbeat.terminated, 2)
  t.equal(heartbeat.size, 0)
  t.equal(left.socket.readyState, left.socket.OPEN)
  t.equal(heartbeat.watch(byHand[0].socket), false, 'too late')
  for (const socket of [mute, dead]) if (!socket.destroyed) await once(socket, 'close')
  stranger.destroy()
  await app.close()
})

t.test('unwatch leaves a connection alone', async t => {
  const { heartbeat, port, next } = await build(t)
  connect(t, port)
  const { socket } = await next()
  const listeners = socket.listenerCount('close')
  t.equal(heartbeat.unwatch(socket), true)
  t.equal(heartbeat.unwatch(socket), false)
  t.equal(heartbeat.size, 0)
  t.equal(socket.listenerCount('close'), listeners - 1)
})

t.test('when the server closes, nothing is left behind or watched', async t => {
  const { app, heartbeat, port, next } = await build(t)
  connect(t, port)
  await next()
  const stray = new FakeSocket({ now: 0 })
  heartbeat.watch(as(stray))
  t.equal(heartbeat.size, 2)
  await app.close()
  t.equal(heartbeat.size, 0)
  t.same(stray.eventNames(), [])
})

t.test('methods may be taken from the decorator', async t => {
  const { heartbeat } = await build(t)
  const { watch, unwatch } = heartbeat
  t.notOk(watch({ readyState: 3, OPEN: 1 } as never))
  t.notOk(unwatch({} as never))
})
