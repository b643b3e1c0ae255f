import websocket from '@fastify/websocket'
import { usesPublicWay, watchSockets, websocketOptions } from '@fastify-airlock/core'
import Fastify from 'fastify'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import type { WebSocket } from 'ws'
import wsHub, { type WsHubOptions } from '../src/index.js'
import { connect } from './helpers.js'

/** A server whose sockets the hub watches; or another watcher does, and the hub adds listeners. */
async function build (t: Test, watched: boolean, options: WsHubOptions = {}) {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket, websocketOptions())
  if (!watched) watchSockets(app.websocketServer, Symbol('somebody else'), () => {}, app.log)
  await app.register(wsHub, { closeTimeout: 30_000, ...options })
  const before = new Promise<{ socket: WebSocket, listeners: number }>(resolve => {
    app.get('/', { websocket: true }, socket => {
      const listeners = socket.listenerCount('close')
      app.wsHub.add(socket, { subject: 'alice' })
      resolve({ socket, listeners: socket.listenerCount('close') - listeners })
    })
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const client = connect(t, (app.server.address() as AddressInfo).port, '/')
  const { socket, listeners } = await before
  if (client.readyState !== client.OPEN) await once(client, 'open')
  return { app, hub: app.wsHub, client, socket, listeners }
}

for (const watched of [true, false]) {
  const name = watched ? 'watched' : 'listened to'

  t.test(`${name}: a connection that closes leaves the hub before other listeners are called`, async t => {
    const { hub, client, socket, listeners } = await build(t, watched)
    t.equal(listeners, watched && !usesPublicWay() ? 0 : 1)
    t.equal(hub.count(), 1)
    const seen = new Promise(resolve => socket.once('close', () => resolve(hub.count())))
    client.close()
    t.equal(await seen, 0)
    socket.emit('close')
    t.equal(hub.count(), 0)
    t.equal(hub.stats.connections, 0)
  })

  t.test(`${name}: the last message heard is the one over the limit`, async t => {
    const { hub, client, socket } = await build(t, watched, { messageRate: { perSecond: 1, burst: 3 } })
    const heard: string[] = []
    socket.on('message', data => heard.push(String(data)))
    for (let index = 0; index < 10; index++) client.send(String(index))
    const [code] = await once(client, 'close')
    t.equal(code, 4429)
    t.same(heard, ['0', '1', '2', '3'])
    t.equal(hub.stats.closes.rate, 1)
  })

  t.test(`${name}: a paused connection that the application closes is read again`, async t => {
    const { client, socket } = await build(t, watched, { messageRate: { perSecond: 0.001, burst: 1 }, onRate: 'pause' })
    client.send('a')
    while (!socket.isPaused) await new Promise(resolve => setImmediate(resolve))
    const closed = once(socket, 'close')
    socket.close(4001)
    t.equal(socket.isPaused, false)
    t.equal((await closed)[0], 4001, 'the answer of the client was read')
  })

  for (const [way, end] of [
    ['the hub closes', ({ hub }) => { hub.disconnect('alice') }],
    ['the application closes', ({ socket }) => socket.close(1000)],
    ['the client closes', ({ client }) => client.close(1000)],
    ['the hub and then the application close', ({ hub, socket }) => { hub.disconnect('alice'); socket.close(1000) }]
  ] as Array<[string, (built: Awaited<ReturnType<typeof build>>) => void]>) {
    t.test(`${name}: a connection that ${way} takes no place while what was sent before is on its way`, async t => {
      const built = await build(t, watched, { maxConnections: 1 })
      const { app, hub, client, socket } = built
      client.pause()
      socket.on('error', () => {}).send(Buffer.alloc(32 * 1024 * 1024))
      const { port } = app.server.address() as AddressInfo
      const refused = connect(t, port, '/')
      t.equal((await once(refused, 'close'))[0], 1013, 'there is one place')
      end(built)
      while (socket.readyState === socket.OPEN) await new Promise(resolve => setImmediate(resolve))
      const admitted = connect(t, port, '/')
      await once(admitted, 'open')
      while (hub.stats.connections < 2) await new Promise(resolve => setImmediate(resolve))
      t.equal(socket.readyState, socket.CLOSING, 'and this one has not gone')
      const another = connect(t, port, '/')
      t.equal((await once(another, 'close'))[0], 1013, 'the place is free only once')
      socket.terminate()
      while (hub.stats.connections > 1) await new Promise(resolve => setImmediate(resolve))
      const last = connect(t, port, '/')
      t.equal((await once(last, 'close'))[0], 1013, 'its end frees no other')
    })
  }

  t.test(`${name}: messageRate: false sets no limit`, async t => {
    const { client, socket } = await build(t, watched, { messageRate: false })
    const heard: string[] = []
    const all = new Promise<void>(resolve => socket.on('message', data => { if (heard.push(String(data)) === 500) resolve() }))
    for (let index = 0; index < 500; index++) client.send(String(index))
    await all
    t.equal(heard.length, 500)
  })
}

t.test('a watched socket that was not added has no effect', async t => {
  const { app, hub } = await build(t, true)
  const [stranger] = app.websocketServer.clients
  t.equal(hub.connectionsOf('alice').has(stranger as WebSocket), true)
  const other = new (app.websocketServer.options.WebSocket as unknown as new (...given: unknown[]) => WebSocket)(null, undefined, {})
  other.emit('message', Buffer.from('x'), false)
  other.emit('close')
  t.equal(hub.count(), 1)
})

t.test('the second hub of a server adds listeners', async t => {
  const { app, socket } = await build(t, true)
  const other = Fastify()
  t.teardown(() => other.close())
  other.decorate('websocketServer', app.websocketServer)
  await other.register(wsHub)
  const listeners = socket.listenerCount('close')
  t.ok(other.wsHub.add(socket, { subject: 'bob' }))
  t.equal(socket.listenerCount('close'), listeners + 1)
  t.same([app.wsHub.subjects(), other.wsHub.subjects()], [['alice'], ['bob']])
})
