import { once } from 'node:events'
import type net from 'node:net'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import { endStreamsOnce } from '../src/index.js'

/** A `ws` server of the improved kind, which tells how often a stream of its connections was really ended. */
async function build (t: Test, options: object = {}) {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false, ...options })
  endStreamsOnce(server)
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

t.test('an orderly close ends each stream once, whoever begins and however', async t => {
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

t.test('other ends stay what they are', async t => {
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

t.test('all that was sent before the close arrives', async t => {
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

t.test('an end with something to say, or a callback, gets the stream\'s own answer', async t => {
  const { socket, client } = await build(t)
  const { _socket } = socket as unknown as { _socket: net.Socket }
  const seen = gone(socket)
  client.close(1000)
  await seen
  const error = await new Promise(resolve => _socket.end(resolve as () => void))
  t.match(error, { code: /^ERR_STREAM/ })
})

t.test('a class of the application\'s is kept, and a second call does nothing', async t => {
  class Own extends WebSocket {
    readonly own = true
  }
  const { server, socket } = await build(t, { WebSocket: Own })
  t.ok(socket instanceof Own)
  const once = server.options.WebSocket
  endStreamsOnce(server)
  t.equal(server.options.WebSocket, once)
})

t.test('a close before there is a connection is left to ws', async t => {
  const server = new WebSocketServer({ noServer: true })
  endStreamsOnce(server)
  const Improved = server.options.WebSocket as unknown as new (address: null, protocols: undefined, options: object) => WebSocket
  const socket = new Improved(null, undefined, {})
  Object.assign(socket, { _readyState: WebSocket.CLOSED })
  socket.close()
  t.pass('nothing to end')
})
