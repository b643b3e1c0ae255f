import websocket from '@fastify/websocket'
import Fastify from 'fastify'
import t from 'tap'
import { requireWebsocket } from '../src/index.js'

t.test('the server of @fastify/websocket, or the error of the plugin', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  const missing = new Error('register @fastify/websocket first')
  t.throws(() => requireWebsocket(app, () => missing), missing)
  await app.register(websocket)
  t.equal(requireWebsocket(app, () => missing), app.websocketServer)
})
