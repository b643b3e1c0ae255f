import { once } from 'node:events'
import type net from 'node:net'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import { canUsePrivateParts, isAsKnown, type ProbeLog, useLeanSockets, usesPublicWay, watchSockets } from '../src/index.js'

const log: ProbeLog = { warn: line => { throw new Error(line) } }

/** A `ws` server of the improved kind, which tells how often a stream of its connections was really ended. */
async function build (t: Test, options: object = {}) {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false, ...options })
  useLeanSockets(server, log)
  await once(server, 'listening')
  t.teardown(() => {
    for (const client of server.clients) client.terminate()
    server.close()
  })
  const ends: Array<{ writableEnded: boolean }> = []
  server.on('connection', socket => {
    const { _socket, _receiver } = socket as unknown as Record<string, net.Socket>
    for (const stream of [_socket, _receiver] as net.Socket[]) {
      const real = Object.getPrototypeOf(stream)
      Object.setPrototypeOf(stream, Object.create(real, {
        end: {
          writable: true,
          value (this: net.Socket, ...given: unknown[]) {
            ends.push({ writableEnded: this.writableEnded })
            return real.end.apply(this, given)
          }
        }
      }))
    }
  })
  const client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`, { perMessageDeflate: 'perMessageDeflate' in options })
  t.teardown(() => client.terminate())
  const [socket] = await once(server, 'connection') as [WebSocket]
  if (client.readyState !== WebSocket.OPEN) await once(client, 'open')
  return { server, socket, client, ends }
}

const gone = async (socket: WebSocket): Promise<[number, string]> =>
  await new Promise(resolve => socket.once('close', (code, reason) => resolve([code, String(reason)])))

// First, so that the probe starts from this class and has to find the one of ws.
t.test('an application\'s own class is kept, and a second call does nothing', async t => {
  class Own extends WebSocket {
    readonly own = true
  }
  const { server, socket } = await build(t, { WebSocket: Own })
  t.ok(socket instanceof Own)
  const once = server.options.WebSocket
  useLeanSockets(server, log)
  t.equal(server.options.WebSocket, once)
})

t.test('an orderly close ends each stream once, whichever side begins', async t => {
  const ways: Array<[string, object, (sides: { socket: WebSocket, client: WebSocket }) => void, [number, string]]> = [
    ['the client closes', {}, ({ client }) => client.close(1000, 'bye'), [1000, 'bye']],
    ['the client closes without a code', {}, ({ client }) => client.close(), [1005, '']],
    ['the server closes', {}, ({ socket }) => socket.close(4401, 'no'), [4401, 'no']],
    ['both close', {}, ({ socket, client }) => { socket.close(1001, 'x'); client.close(1001, 'x') }, [1001, 'x']],
    ['compressed', { perMessageDeflate: true }, ({ client }) => { client.send('x'.repeat(10_000)); client.close(1000, 'bye') }, [1000, 'bye']]
  ]
  for (const [name, options, close, expected] of ways) {
    const { socket, client, ends } = await build(t, options)
    const seen = [gone(socket), gone(client)]
    close({ socket, client })
    for (const one of await Promise.all(seen)) t.same(one, expected, name)
    t.same(ends.filter(({ writableEnded }) => writableEnded), [], `${name}: nothing was ended that had ended`)
  }
})

t.test('terminate, resets and malformed frames behave as in ws', async t => {
  const ways: Array<[string, (sides: { socket: WebSocket, client: WebSocket }) => void, number]> = [
    ['terminate', ({ socket }) => socket.terminate(), 1006],
    ['a client that terminates', ({ client }) => client.terminate(), 1006],
    ['a reset', ({ client }) => (client as unknown as { _socket: net.Socket })._socket.resetAndDestroy(), 1006],
    ['a FIN without a close frame', ({ client }) => (client as unknown as { _socket: net.Socket })._socket.end(), 1006],
    ['a malformed frame', ({ client }) => (client as unknown as { _socket: net.Socket })._socket.write(Buffer.from([0xff, 0xff])), 1006]
  ]
  for (const [name, end, code] of ways) {
    const { socket, client } = await build(t)
    for (const one of [socket, client]) one.on('error', () => {})
    const seen = gone(socket)
    end({ socket, client })
    t.equal((await seen)[0], code, name)
  }
})

t.test('everything sent before the close arrives', async t => {
  for (const side of ['client', 'server']) {
    const { socket, client } = await build(t)
    let received = 0
    client.on('message', data => { received += (data as Buffer).length })
    const seen = gone(client)
    for (let index = 0; index < 64; index++) socket.send(Buffer.alloc(64 * 1024))
    if (side === 'server') socket.close(1000)
    else client.close(1000)
    t.equal((await seen)[0], 1000)
    t.equal(received, 4 * 1024 * 1024, `the ${side} closes`)
  }
})

t.test('end() with data or a callback gets the stream\'s own answer', async t => {
  const { socket, client } = await build(t)
  const { _socket } = socket as unknown as { _socket: net.Socket }
  const seen = gone(socket)
  client.close(1000)
  await seen
  const error = await new Promise(resolve => _socket.end(resolve as () => void))
  t.match(error, { code: /^ERR_STREAM/ })
})

t.test('pings are answered, and a flood of them ends the connection', async t => {
  const { socket, client } = await build(t, { maxPendingAutoPongs: 2 })
  t.notOk(Object.hasOwn(socket, '_autoPongComplete'), 'nothing is kept for it')
  const internals = socket as unknown as { _pendingAutoPongs: number }
  for (let times = 0; times < 5; times++) {
    const pong = new Promise(resolve => client.once('pong', data => resolve(String(data))))
    client.ping(`ping ${times}`)
    t.equal(await pong, `ping ${times}`)
  }
  t.equal(internals._pendingAutoPongs, 0, 'each answer is counted down')
  internals._pendingAutoPongs = 2
  const ended = gone(socket)
  client.ping()
  t.equal((await ended)[0], 1006)
})

t.test('autoPong: false still leaves pings to the application', async t => {
  const { socket, client } = await build(t, { autoPong: false })
  let answered = false
  client.on('pong', () => { answered = true })
  const ping = new Promise(resolve => socket.once('ping', resolve))
  client.ping()
  await ping
  const ended = gone(client)
  socket.close()
  await ended
  t.equal(answered, false)
})

t.test('a close before there is a connection is left to ws', async t => {
  const server = new WebSocketServer({ noServer: true })
  useLeanSockets(server, log)
  const Improved = server.options.WebSocket as unknown as new (address: null, protocols: undefined, options: object) => WebSocket
  const socket = new Improved(null, undefined, {})
  Object.assign(socket, { _readyState: WebSocket.CLOSED })
  socket.close()
  t.pass('nothing to end')
})

t.test('connections without extensions share one empty object, others have their own', async t => {
  const extensionsOf = (socket: WebSocket): object => (socket as unknown as { _extensions: object })._extensions
  const [one, other, compressed] = [await build(t), await build(t), await build(t, { perMessageDeflate: true })]
  t.equal(extensionsOf(one.socket), extensionsOf(other.socket))
  t.equal(one.socket.extensions, '')
  t.equal(compressed.socket.extensions, 'permessage-deflate')
})

t.test('a watcher hears the events of all sockets of the server: messages after the listeners, others before', async t => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  t.teardown(() => {
    for (const client of server.clients) client.terminate()
    server.close()
  })
  const key = Symbol('a member')
  const told: string[] = []
  const isWatched = watchSockets(server, key, (_socket, event) => { told.push(`watcher: ${String(event)}`) }, log)
  t.equal(watchSockets(server, Symbol('another'), () => {}, log), null, 'there is one')
  await once(server, 'listening')
  const client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`)
  const [socket] = await once(server, 'connection') as [WebSocket]
  t.ok(isWatched?.(socket))
  t.notOk(isWatched?.(client))
  t.ok(Object.hasOwn(socket, key))
  for (const event of ['message', 'close']) socket.on(event, () => { told.push(event) })
  if (client.readyState !== WebSocket.OPEN) await once(client, 'open')
  client.send('hello')
  client.close()
  await gone(socket)
  t.same(told.filter(line => /message|close/.test(line)), ['message', 'watcher: message', 'watcher: close', 'close'])
  t.equal(socket.emit('nothing'), false, 'what emit says stays what it is')
  t.equal(socket.emit('message'), true)
})

t.test('private parts are probed once, and one line says that they differ', async t => {
  t.equal(usesPublicWay(), false)
  const lines: string[] = []
  let probes = 0
  const canUse = (library: string, fits: () => boolean): boolean => canUsePrivateParts(library, () => {
    probes++
    return fits()
  }, { warn: line => lines.push(line) })
  t.equal(canUse('known', () => true), true)
  t.equal(canUse('known', () => false), true)
  t.equal(probes, 1)
  t.same(lines, [])
  for (const [library, fits] of [['changed', () => false], ['broken', () => { throw new Error('no such member') }]] as const) {
    lines.length = 0
    t.equal(canUse(library, fits), false)
    t.equal(canUse(library, () => true), false)
    t.match(lines, [new RegExp(`^${library} differs.*, which is slower$`)])
  }
  lines.length = 0
  t.equal(isAsKnown('other', () => false, { warn: line => lines.push(line) }, 'sees less'), false)
  t.match(lines, [/^other differs.*, which sees less$/])
})

t.test('a server without the option keeps its sockets', async t => {
  const server = { options: {} } as unknown as WebSocketServer
  t.equal(useLeanSockets(server, { warn () {} }), false)
  t.same(server.options, {})
})
