import { once } from 'node:events'
import net, { type AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import { bytesTaken, noteWritten, probeBytesTaken, type ProbeLog, transportOf, usesPublicWay, watchWrites } from '../src/index.js'

const log: ProbeLog = { warn: line => { throw new Error(line) } }

async function build (t: Test, options: object = {}) {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', ...options })
  const told: WebSocket[] = []
  watchWrites(server, socket => { told.push(socket) }, log)
  await once(server, 'listening')
  t.teardown(() => {
    for (const client of server.clients) client.terminate()
    server.close()
  })
  const client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`)
  t.teardown(() => client.terminate())
  const [socket] = await once(server, 'connection') as [WebSocket]
  if (client.readyState !== WebSocket.OPEN) await once(client, 'open')
  return { server, socket, client, told }
}

t.test('whatever is sent is told of, and arrives as ever', async t => {
  const { socket, client, told } = await build(t)
  const got: string[] = []
  client.on('message', data => { got.push(String(data)) }).on('ping', data => { got.push(`ping ${String(data)}`) }).on('pong', data => { got.push(`pong ${String(data)}`) })
  const ways: Array<(done: () => void) => void> = [
    done => { socket.send('text', done) },
    done => { socket.send(Buffer.from('binary'), { binary: true }, done) },
    done => { socket.send('frag', { fin: false }); socket.send('ments', { fin: true }, done) },
    done => { socket.send('compressed'.repeat(200), { compress: true }, done) },
    done => { socket.ping('a', undefined, done) },
    done => { socket.ping(done) },
    done => { socket.pong('b', undefined, done) }
  ]
  for (const way of ways) await new Promise<void>(resolve => way(resolve))
  const counted = told.length
  t.equal(counted, 8)
  const answered = new Promise<void>(resolve => client.on('pong', data => { if (String(data) === 'mine') resolve() }))
  client.ping('mine')
  await answered
  t.equal(told.length, counted + 1, 'the answer of ws to a ping as well')
  t.ok(told.every(each => each === socket))
  t.same(got, ['text', 'binary', 'fragments', 'compressed'.repeat(200), 'ping a', 'ping ', 'pong b', 'pong mine'])
  noteWritten(socket)
  t.equal(told.length, counted + 2, 'and what was not sent by its own methods')
})

t.test('an application\'s own class is asked', async t => {
  const sent: unknown[] = []
  class Own extends WebSocket {
    override send (...given: unknown[]): void {
      sent.push(given[0])
      super.send(...given as [string])
    }
  }
  const { socket, client, told } = await build(t, { WebSocket: Own })
  socket.send('one')
  t.equal(String((await once(client, 'message'))[0]), 'one')
  t.same(sent, ['one'])
  t.equal(told.length, 1)
})

t.test('a socket that nobody watches has nobody to tell', async t => {
  noteWritten({})
  t.equal(transportOf({}), undefined)
})

t.test('how far a write has come is seen while the peer takes it', async t => {
  const { socket, client } = await build(t)
  const transport = transportOf(socket) as net.Socket
  t.ok(transport instanceof net.Socket)
  probeBytesTaken(transport, log)
  client.pause()
  socket.send(Buffer.alloc(16 * 1024 * 1024))
  // The kernel has taken what it can when it takes nothing any more.
  let at = -1
  while (at !== bytesTaken(transport)) {
    at = bytesTaken(transport)
    await new Promise(resolve => setTimeout(resolve, 50))
  }
  client.resume()
  await once(client, 'message')
  t.ok(bytesTaken(transport) > at)
})

t.test('with an unknown Node, one line is logged and a write counts as a whole', async t => {
  const lines: string[] = []
  const told = { warn: (line: string) => { lines.push(line) } }
  const destroyed = new net.Socket()
  destroyed.destroy()
  probeBytesTaken(destroyed, told)
  t.strictSame(lines, [], 'nothing can be said yet')
  const state = { bytesWritten: 1_000, writableLength: 300 }
  for (const handle of [{ writeQueueSize: 'many', bytesWritten: 1 }, { writeQueueSize: 1 }, null]) {
    const unknown = Object.defineProperties(new net.Socket(), {
      _handle: { value: handle }, bytesWritten: { get: () => state.bytesWritten }, writableLength: { get: () => state.writableLength }
    })
    t.equal(bytesTaken(unknown), 700)
  }
  const known = Object.defineProperty(new net.Socket(), '_handle', { value: { _parent: { writeQueueSize: 30, bytesWritten: 100 }, writeQueueSize: 1, bytesWritten: 1 } })
  t.equal(bytesTaken(known), usesPublicWay() ? 0 : 70, 'below TLS')
})
