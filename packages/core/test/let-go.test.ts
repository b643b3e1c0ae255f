import websocket from '@fastify/websocket'
import Fastify from 'fastify'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import type { WebSocket } from 'ws'
import { letGoOfUpgrade, websocketOptions } from '../src/index.js'
import { connect } from './helpers.js'

/** What the handler's socket is like once its upgrade was let go. */
async function letGo (t: Test, options: object, change: (socket: WebSocket) => void = () => {}) {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket, options)
  const errors: Error[] = []
  function onError (this: WebSocket, error: Error): void {
    errors.push(error)
    this.terminate()
  }
  const opened = new Promise<{ socket: WebSocket, response: unknown, listeners: unknown[] }>(resolve => {
    app.get('/', { websocket: true }, (socket, request) => {
      change(socket)
      letGoOfUpgrade(socket, request, app.websocketServer, onError)
      const { _httpMessage: response } = request.raw.socket as unknown as { _httpMessage: unknown }
      resolve({ socket, response, listeners: socket.listeners('error') })
    })
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const client = connect(t, (app.server.address() as AddressInfo).port)
  client.on('error', () => {})
  return { ...await opened, app, client, errors, onError }
}

t.test('with websocketOptions() the plugin\'s error listener is replaced', async t => {
  const { socket, response, listeners, errors, onError } = await letGo(t, websocketOptions())
  t.equal(response, null)
  t.same(listeners, [onError])
  const closed = once(socket, 'close')
  socket.emit('error', new Error('told'))
  await t.rejects(closed, { message: 'told' })
  t.match(errors, [{ message: 'told' }])
})

t.test('with other options it stays', async t => {
  for (const options of [{}, websocketOptions({ errorHandler: () => {} }), { ...websocketOptions() }]) {
    const { listeners, onError, response } = await letGo(t, options)
    t.equal(listeners.length, 1)
    t.not(listeners[0], onError)
    t.equal(response, null, 'the response goes all the same')
  }
})

t.test('with a second error listener both stay', async t => {
  const own = (): void => {}
  const { listeners, onError } = await letGo(t, websocketOptions(), socket => { socket.on('error', own) })
  t.equal(listeners.length, 2)
  t.ok(listeners.includes(own))
  t.notOk(listeners.includes(onError))
})

t.test('a close listener of the response is called', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket, websocketOptions())
  const closed = new Promise<void>(resolve => {
    app.addHook('onRequest', (_request, reply, done) => {
      reply.raw.on('close', resolve)
      done()
    })
  })
  app.get('/', { websocket: true }, (socket, request) => { letGoOfUpgrade(socket, request, app.websocketServer, () => {}) })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const client = connect(t, (app.server.address() as AddressInfo).port)
  await once(client, 'open')
  client.close()
  await closed
  t.pass('heard')
})

t.test('where the listener was removed before, none is added', async t => {
  const { listeners } = await letGo(t, websocketOptions(), socket => { socket.removeAllListeners('error') })
  t.same(listeners, [])
})

t.test('without TCP, as with injectWS', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket, websocketOptions())
  app.get('/', { websocket: true }, (socket, request) => {
    letGoOfUpgrade(socket, request, app.websocketServer, () => {})
    socket.on('message', data => socket.send(data))
  })
  await app.ready()
  const client = await app.injectWS('/')
  client.send('hello')
  t.equal(String((await once(client, 'message'))[0]), 'hello')
  client.terminate()
})
