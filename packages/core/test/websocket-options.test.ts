import websocket from '@fastify/websocket'
import Fastify, { type FastifyInstance } from 'fastify'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import type { WebSocket } from 'ws'
import { decorateIdentity, logSocketError, websocketOptions } from '../src/index.js'
import { connect, mute } from './helpers.js'

const MIB = 1024 * 1024

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

/** A server that has sent much more than the peer takes, and closes. */
async function flooded (t: Test, options: object) {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket, websocketOptions(options))
  const heard: string[] = []
  const opened = new Promise<WebSocket>(resolve => {
    app.get('/', { websocket: true }, socket => {
      socket.on('message', data => { heard.push(String(data)) })
      socket.send(Buffer.alloc(32 * MIB))
      socket.close(1000, 'done')
      resolve(socket)
    })
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  return { app, port, heard, opened }
}

t.test('what an application sends before it closes arrives, however late, and nothing that comes meanwhile is handled', async t => {
  const { port, heard, opened } = await flooded(t, { closeTimeout: 50 })
  const client = connect(t, port)
  let received = 0
  client.on('message', data => { received += (data as Buffer).length })
  client.once('open', () => {
    client.pause()
    client.send('too late')
  })
  const socket = await opened
  t.ok(socket.bufferedAmount > 0)
  await new Promise(resolve => setTimeout(resolve, 300))
  t.equal(socket.readyState, socket.CLOSING)
  const closed = once(client, 'close')
  client.resume()
  t.equal((await closed)[0], 1000)
  t.equal(received, 32 * MIB)
  t.strictSame(heard, [])
})

t.test('a peer that does not take it is cut after flushTimeout', async t => {
  const { port, opened } = await flooded(t, { closeTimeout: 50, flushTimeout: 200 })
  const client = mute(t, port)
  client.pause()
  const socket = await opened
  const begun = performance.now()
  t.equal((await once(socket, 'close'))[0], 1006)
  t.ok(performance.now() - begun >= 190)
})

t.test('a shutdown has its own bound, for those that were closing before as well', async t => {
  const { app, port, opened } = await flooded(t, { closeTimeout: 50, shutdownTimeout: 300 })
  const client = mute(t, port)
  client.pause()
  const closed = once(await opened, 'close')
  const begun = performance.now()
  await app.close()
  t.ok(performance.now() - begun >= 290)
  t.equal((await closed)[0], 1006)
})

t.test('a close that cannot be sent throws, and the socket stays open', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket, websocketOptions())
  const results = new Promise<string[]>(resolve => {
    app.get('/', { websocket: true }, socket => {
      const messages: string[] = []
      for (const waiting of [0, 32 * MIB]) {
        if (waiting > 0) socket.send(Buffer.alloc(waiting))
        try {
          socket.close(2000)
        } catch (error) {
          messages.push(`${(error as Error).name} ${socket.readyState}`)
        }
      }
      socket.close()
      resolve(messages)
    })
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const client = connect(t, (app.server.address() as AddressInfo).port)
  const closed = once(client, 'close')
  t.strictSame(await results, ['TypeError 1', 'TypeError 1'])
  t.equal((await closed)[0], 1005)
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

t.test('what a peer sent wrong is one line of level info with its code, and nothing else is', async t => {
  const coded = (code: unknown) => Object.assign(new Error('x'), { code })
  const ofReceiver = Object.assign(coded('Z_DATA_ERROR'), { [Symbol('status-code')]: 1007 })
  const told = (error: Error) => {
    const lines: unknown[][] = []
    logSocketError({ info: (...given: unknown[]) => lines.push(['info', ...given]), error: (...given: unknown[]) => lines.push(['error', ...given]) } as never, error)
    return lines
  }
  t.same(told(coded('WS_ERR_INVALID_UTF8')), [['info', { code: 'WS_ERR_INVALID_UTF8' }, 'malformed WebSocket frame']])
  t.same(told(ofReceiver), [['info', { code: 'Z_DATA_ERROR' }, 'malformed WebSocket frame']])
  for (const error of [new Error('x'), coded('ECONNRESET'), coded('Z_DATA_ERROR'), coded(1)]) t.strictSame(told(error), [['error', error]])
})
