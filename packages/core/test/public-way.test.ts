// Runs alone: the environment is read once in a process, and forces the public way here.
import websocket from '@fastify/websocket'
import Fastify from 'fastify'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import net, { type AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import type { WebSocket } from 'ws'
import { connect, mute } from './helpers.js'

// Read once, when the package is loaded.
process.env.AIRLOCK_PUBLIC = '1'
const {
  AUDIT_CHANNEL, bytesTaken, canUsePrivateParts, isAsKnown, letGoOfUpgrade, noteWritten, probeBytesTaken, trailOfSocket, transportOf,
  useLeanSockets, usesPublicWay, watchSockets, watchWrites, websocketOptions
} = await import('../src/index.js')

const log = { warn: (line: string) => { throw new Error(line) } }

async function build (t: Test) {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket, websocketOptions())
  return app
}

t.test('nothing is probed or logged', async t => {
  t.equal(usesPublicWay(), true)
  t.equal(canUsePrivateParts('ws', () => { throw new Error('asked') }, log), false)
  t.equal(isAsKnown('what has no other way', () => true, log), true, 'this does not ask')
})

t.test('sockets stay as ws makes them', async t => {
  const { websocketServer } = await build(t)
  const theirs = websocketServer.options.WebSocket
  t.equal(useLeanSockets(websocketServer, log), false)
  t.equal(watchSockets(websocketServer, Symbol('a member'), () => {}, log), null)
  t.equal(websocketServer.options.WebSocket, theirs)
})

t.test('an upgrade is kept, and @fastify/websocket handles errors with the same effect', async t => {
  const app = await build(t)
  const opened = new Promise<{ socket: WebSocket, response: unknown }>(resolve => {
    app.get('/', { websocket: true }, (socket, request) => {
      const listeners = socket.listeners('error')
      letGoOfUpgrade(socket, request, app.websocketServer, () => { throw new Error('not ours') })
      t.same(socket.listeners('error'), listeners)
      resolve({ socket, response: (request.raw.socket as unknown as { _httpMessage: unknown })._httpMessage })
    })
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const client = connect(t, (app.server.address() as AddressInfo).port)
  const { socket, response } = await opened
  t.not(response, null)
  const closed = once(client, 'close')
  socket.emit('error', new Error('a frame that is none'))
  t.equal((await closed)[0], 1006, 'terminated')
})

t.test('what was sent before a close arrives all the same', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  const { closeFrameIsOut, Closer, isAnswer } = await import('../src/index.js')
  await app.register(websocket, websocketOptions({ closeTimeout: 50, flushTimeout: 60_000 }))
  t.equal((app.websocketServer.options as { closeTimeout?: number }).closeTimeout, 60_050, 'for all sockets alike')
  const opened = new Promise<WebSocket>(resolve => {
    app.get('/', { websocket: true }, socket => {
      socket.send(Buffer.alloc(32 * 1024 * 1024))
      new Closer(50, 60_000).close(socket, 4000, 'bye')
      resolve(socket)
    })
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const client = connect(t, (app.server.address() as AddressInfo).port)
  let received = 0
  client.on('message', data => { received += (data as Buffer).length })
  client.once('open', () => client.pause())
  const socket = await opened
  await new Promise(resolve => setTimeout(resolve, 300))
  t.equal(closeFrameIsOut(socket), false)
  t.equal(isAnswer(socket), false, 'nobody knows')
  const closed = once(client, 'close')
  client.resume()
  t.equal((await closed)[0], 4000)
  t.equal(received, 32 * 1024 * 1024)
  t.equal(closeFrameIsOut(socket), true)
})

t.test('what a peer closes with is none of our words', async t => {
  const app = await build(t)
  const events: object[] = []
  const keep = (event: unknown): void => { events.push(event as object) }
  subscribe(AUDIT_CHANNEL, keep)
  t.teardown(() => unsubscribe(AUDIT_CHANNEL, keep))
  app.get('/', { websocket: true }, socket => {
    trailOfSocket(socket)
    socket.send('ready')
    socket.on('message', () => socket.close(4000, 'by the application'))
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const closed = async (act: (client: WebSocket) => void): Promise<object | undefined> => {
    const client = connect(t, (app.server.address() as AddressInfo).port)
    await once(client, 'message')
    const [server] = app.websocketServer.clients
    const done = once(server as WebSocket, 'close')
    act(client)
    await done
    return events.pop()
  }
  t.match(await closed(client => client.close(3005, 'a secret')), { type: 'close', code: 3005, reason: null, by: 'client' })
  t.match(await closed(client => client.send('x')), { type: 'close', code: 4000, reason: 'by the application', by: 'server' })
})

t.test('a mute peer of an application is cut in time', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket, websocketOptions({ closeTimeout: 50 }))
  const opened = new Promise<WebSocket>(resolve => {
    app.get('/', { websocket: true }, socket => {
      socket.close(4000)
      resolve(socket)
    })
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  mute(t, (app.server.address() as AddressInfo).port)
  t.equal((await once(await opened, 'close'))[0], 1006)
})

t.test('writes are watched by methods of each socket, and count as a whole', async t => {
  const app = await build(t)
  const told: WebSocket[] = []
  watchWrites(app.websocketServer, socket => { told.push(socket) }, log)
  const sockets: WebSocket[] = []
  app.get('/', { websocket: true }, socket => { sockets.push(socket) })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const client = connect(t, (app.server.address() as AddressInfo).port)
  await once(client, 'open')
  while (sockets.length === 0) await new Promise(resolve => setImmediate(resolve))
  const [socket] = sockets as [WebSocket]
  t.ok(Object.hasOwn(socket, 'send'))
  socket.send('one')
  t.equal(String((await once(client, 'message'))[0]), 'one')
  noteWritten(socket)
  t.same(told, [socket, socket])
  const transport = transportOf(socket) as net.Socket
  t.ok(transport instanceof net.Socket)
  probeBytesTaken(transport, log)
  t.equal(bytesTaken(transport), transport.bytesWritten - transport.writableLength)
})
