import t from 'tap'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import websocket from '@fastify/websocket'
import Fastify from 'fastify'
import type { WebSocket } from 'ws'
import wsHub, { wsHub as named, type WsHubOptions } from '../src/index.js'
import { collect, connect, settle } from './helpers.js'

t.test('the default export is the named one', async t => {
  t.equal(wsHub, named)
})

t.test('alone on a bare Fastify', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(wsHub)
  await app.ready()
  t.equal(app.wsHub.count(), 0)
  t.equal(app.wsHub.broadcast('to nobody'), 0)
  t.equal(app.wsHub.disconnect('nobody'), 0)
})

t.test('alone behind the application\'s own authentication, on a server without options', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket)
  await app.register(wsHub)
  app.get('/ws', {
    websocket: true,
    preValidation: async (request, reply) => {
      if (request.headers.authorization !== 'Bearer good') return reply.code(401).send()
    }
  }, socket => {
    app.wsHub.add(socket, { subject: 'alice' })
    app.wsHub.join(socket, 'news')
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo

  const refused = connect(t, port, '/ws')
  const [error] = await once(refused, 'error')
  t.match(error.message, '401')
  const client = connect(t, port, '/ws', { headers: { authorization: 'Bearer good' } })
  await once(client, 'open')
  const messages = collect(client)
  t.equal(app.wsHub.publish('news', { type: 'hello' }), 1)
  await settle(client)
  t.strictSame(messages, ['{"type":"hello"}'])
})

t.test('streams other than TCP sockets get messages by send', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket)
  await app.register(wsHub)
  app.get('/ws', { websocket: true }, socket => { app.wsHub.add(socket, { subject: 'alice' }) })
  await app.ready()
  const client: WebSocket = await app.injectWS('/ws')
  const message = once(client, 'message')
  t.equal(app.wsHub.broadcast('hello'), 1)
  const [data, isBinary] = await message
  t.equal(data.toString(), 'hello')
  t.equal(isBinary, false)
  client.terminate()
})

t.test('options are checked', async t => {
  const invalid: Array<[unknown, RegExp]> = [
    [{ closeTimeout: 0 }, /closeTimeout/],
    [{ closeTimeout: '2s' }, /closeTimeout/],
    [{ closeTimeOut: 2_000 }, /closeTimeOut/],
    [{ maxBufferedBytes: 0 }, /maxBufferedBytes/],
    [{ slowConsumer: 'wait' }, /slowConsumer: Expected "terminate", "drop" or a function/],
    [{ maxConnections: 1.5 }, /maxConnections: Expected a positive integer or Infinity/],
    [{ maxConnectionsPerSubject: 0 }, /maxConnectionsPerSubject/],
    [{ onSubjectLimit: 'both' }, /onSubjectLimit/],
    [{ messageRate: true }, /messageRate/],
    [{ messageRate: { perSecond: 0, burst: 1 } }, /messageRate\.perSecond/],
    [{ messageRate: { perSecond: 1 } }, /messageRate\.burst/],
    [{ maxTopicsPerConnection: '100' }, /maxTopicsPerConnection/],
    [{ authorizeTopic: true }, /authorizeTopic/],
    [{ bus: { on () {}, emit () {} } }, /bus: Expected an instance with on, emit, removeListener/],
    [{ busPrefix: 'a/+' }, /busPrefix/],
    [{ busPrefix: '/a' }, /busPrefix/],
    [{ busBeat: 0 }, /busBeat/],
    [{ drain: { timeout: 0 } }, /drain\.timeout/],
    [{ drain: { batches: 1 } }, /batches/]
  ]
  for (const [options, message] of invalid) {
    const app = Fastify()
    t.teardown(() => app.close())
    app.register(wsHub, options as WsHubOptions)
    await t.rejects(async () => { await app.ready() }, { code: 'WSA_HUB_ERR_OPTION', message })
  }
})
