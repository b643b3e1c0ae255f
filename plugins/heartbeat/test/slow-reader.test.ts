import { once } from 'node:events'
import net from 'node:net'
import t, { type Test } from 'tap'
import { Peer } from '../src/peer.js'
import { bare, build } from './helpers.js'

const MEGABYTE = 1024 * 1024

/** Reads `bytes` and then nothing for `pause` milliseconds, over and over. */
function readSlowly (t: Test, socket: net.Socket, bytes: number, pause: number): void {
  let read = 0
  socket.on('data', (chunk: Buffer) => {
    read += chunk.length
    if (read < bytes) return
    read = 0
    socket.pause()
    const timer = setTimeout(() => socket.resume(), pause)
    t.teardown(() => clearTimeout(timer))
  })
}

for (const [what, count] of [['one large message', 1], ['many messages', 64]] as const) {
  t.test(`a reader that is slow with ${what} lives as long as it goes on reading`, async t => {
    const { heartbeat, port, next } = await build(t, { interval: 400, timeout: 200 })
    const client = bare(t, port)
    readSlowly(t, client, MEGABYTE, 40)
    const { socket, at, lifetime } = await next()
    const data = Buffer.alloc(64 * MEGABYTE / count)
    const sent = await new Promise<number>((resolve, reject) => {
      for (let i = 1; i <= count; i++) {
        socket.send(data, error => {
          if (error != null) reject(error)
          else if (i === count) resolve(performance.now() - at)
        })
      }
    })
    t.ok(sent >= 1_200, `the queue stood for ${sent} ms, some timeouts`)
    t.equal(heartbeat.terminated, 0)
    // It answers no ping, so in the end this is what happens to it.
    t.ok(await lifetime >= sent)
  })
}

t.test('a reader that stopped is terminated, whatever waits for it', async t => {
  const { heartbeat, port, next } = await build(t, { interval: 400, timeout: 200 })
  const client = bare(t, port)
  client.pause()
  const { socket, lifetime } = await next()
  socket.send(Buffer.alloc(64 * MEGABYTE))
  t.ok(await lifetime >= 400)
  t.equal(heartbeat.terminated, 1)
})

t.test('a socket that is destroyed between the timer and its judgement', async t => {
  const server = net.createServer().listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  const client = net.connect((server.address() as net.AddressInfo).port, '127.0.0.1').pause()
  t.teardown(() => client.destroy())
  const [transport] = await once(server, 'connection') as [net.Socket]
  transport.on('error', () => {})
  transport.write(Buffer.alloc(64 * MEGABYTE))
  const peer = new Peer({} as never, transport, 0)
  t.equal(peer.draining, false)
  transport.destroy()
  t.equal(peer.heard, false)
  t.doesNotThrow(() => peer.draining)
})
