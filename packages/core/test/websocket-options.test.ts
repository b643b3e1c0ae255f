import websocket from '@fastify/websocket'
import Fastify, { type FastifyInstance } from 'fastify'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { decorateIdentity, websocketOptions } from '../src/index.js'
import { connect, mute } from './helpers.js'

async function build (t: Test, closeTimeout?: number) {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket, websocketOptions(closeTimeout === undefined ? {} : { closeTimeout }))
  decorateIdentity(app)
  decorateIdentity(app)
  app.get('/', { websocket: true }, (socket, request) => { socket.send(String(request.wsIdentity)) })
  await app.listen({ port: 0, host: '127.0.0.1' })
  return { app, port: (app.server.address() as AddressInfo).port }
}

t.test('close tells clients to come back, and waits for them', async t => {
  const { app, port } = await build(t)
  const client = connect(t, port)
  const [message] = await once(client, 'message')
  t.equal(message.toString(), 'null', 'request.wsIdentity is there, and nobody yet')
  const closed = once(client, 'close')
  await app.close()
  const [code, reason] = await closed
  t.equal(code, 1012)
  t.equal(reason.toString(), 'service restart')
})

t.test('a mute peer does not hold up close', async t => {
  const { app, port } = await build(t, 200)
  const client = mute(t, port)
  await once(client, 'data')
  const start = performance.now()
  await app.close()
  t.ok(performance.now() - start < 25_000)
})

t.test('a message over the limit closes with 1009', async t => {
  const { port } = await build(t)
  const client = connect(t, port)
  await once(client, 'open')
  client.send(Buffer.alloc(64 * 1024 + 1))
  const [code] = await once(client, 'close')
  t.equal(code, 1009)
})

t.test('a hub is drained before the rest is closed', async t => {
  const { app, port } = await build(t)
  const client = connect(t, port)
  await once(client, 'message')
  let drained = false
  ;(app as unknown as { wsHub: object }).wsHub = {
    drain: async () => {
      await new Promise(resolve => setImmediate(resolve))
      t.equal(client.readyState, client.OPEN)
      drained = true
    }
  }
  const closed = once(client, 'close')
  await app.close()
  t.ok(drained)
  t.equal((await closed)[0], 1012)
})

/** What the server says of the handler of its sockets' errors. */
const handlesErrors = ({ websocketServer }: FastifyInstance): unknown =>
  (websocketServer.options as Record<symbol, unknown>)[Symbol.for('airlock handles errors')]

t.test('a socket error is logged and terminates the socket, as with the plugin alone', async t => {
  const lines: string[] = []
  const app = Fastify({ logger: { level: 'error', stream: { write: (line: string) => { lines.push(line) } } } })
  t.teardown(() => app.close())
  await app.register(websocket, websocketOptions())
  app.get('/', { websocket: true }, () => { throw new Error('the handler') })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const client = connect(t, (app.server.address() as AddressInfo).port)
  const [code] = await once(client, 'close')
  t.equal(code, 1006)
  t.match(lines, [/the handler/])
  t.equal(handlesErrors(app), true)
})

t.test('an application\'s error handler is called, whichever way it is given', async t => {
  const ways: Array<[string, (errorHandler: () => void) => object]> = [
    ['as an option', errorHandler => websocketOptions({ errorHandler })],
    ['spread', errorHandler => ({ ...websocketOptions(), errorHandler })],
    ['assigned', errorHandler => Object.assign(websocketOptions(), { errorHandler })],
    ['around the one of the options', errorHandler => {
      const options = websocketOptions()
      const { errorHandler: inner } = options
      t.type(inner, 'function')
      return { ...options, errorHandler }
    }],
    ['an option that was spread', errorHandler => ({ ...websocketOptions({ errorHandler }) })]
  ]
  for (const [name, make] of ways) {
    const app = Fastify()
    t.teardown(() => app.close())
    let asked = 0
    await app.register(websocket, make(function (this: unknown, _error?: Error, socket?: { terminate (): void }) {
      asked++
      socket?.terminate()
    }))
    app.get('/', { websocket: true }, () => { throw new Error('the handler') })
    await app.listen({ port: 0, host: '127.0.0.1' })
    await once(connect(t, (app.server.address() as AddressInfo).port), 'close')
    t.equal(asked, 1, name)
    t.equal(handlesErrors(app), false, `${name}: nobody takes the place of it`)
  }
})

t.test('one object of options may serve several servers', async t => {
  const options = websocketOptions()
  const seen: unknown[] = []
  for (const given of [options, { ...options, errorHandler: () => {} }, options, { ...options }]) {
    const app = Fastify()
    t.teardown(() => app.close())
    await app.register(websocket, given)
    seen.push(handlesErrors(app))
  }
  t.same(seen, [true, false, true, false])
})
