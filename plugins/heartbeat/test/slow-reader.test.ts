// Takes long: it fills the buffers of real connections.
import net from 'node:net'
import { usesPublicWay } from '@fastify-airlock/core'
import t, { type Test } from 'tap'
import { Peer } from '../src/peer.js'
import { bare, build, serverTls } from './helpers.js'

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

for (const [what, count, secure] of [
  ['one large message', 1, false], ['many messages', 64, false], ['one large message over TLS', 1, true]
] as const) {
  // Nothing public tells how far a write has come, and Node writes all messages that wait in one go.
  const skip = usesPublicWay() && 'a write counts as a whole'
  t.test(`a reader that is slow with ${what} lives as long as it goes on reading`, { skip }, async t => {
    const { heartbeat, port, next } = await build(t, { interval: 400, timeout: 400 }, secure ? { https: serverTls } : {})
    readSlowly(t, bare(t, port, secure), MEGABYTE, 50)
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
    // It answers no ping, so it is terminated in the end.
    t.ok(await lifetime >= sent)
  })
}

t.test('a reader that has stopped is terminated, however much waits for it', async t => {
  const { heartbeat, port, next } = await build(t, { interval: 400, timeout: 200 })
  const client = bare(t, port)
  client.pause()
  const { socket, lifetime } = await next()
  socket.send(Buffer.alloc(64 * MEGABYTE))
  t.ok(await lifetime >= 400)
  t.equal(heartbeat.terminated, 1)
})

t.test('what counts as progress', async t => {
  // 300 bytes wait, 100 of them are the rest of a write that the kernel is taking.
  const state = { bytesWritten: 1_000, writableLength: 300, handed: 800, queue: 100, handle: true }
  const transport = Object.defineProperties(new net.Socket(), {
    bytesWritten: { get: () => state.bytesWritten },
    writableLength: { get: () => state.writableLength },
    _handle: { get: () => state.handle ? { bytesWritten: state.handed, writeQueueSize: state.queue } : null }
  })
  const peer = new Peer({} as never, transport, 0)
  const after = (change: Partial<typeof state>): boolean => {
    peer.check()
    Object.assign(state, change)
    return peer.reads
  }
  t.equal(after({}), false)
  t.equal(after({ bytesWritten: 1_500, writableLength: 800 }), false, 'more is waiting')
  t.equal(after({ queue: 99 }), !usesPublicWay(), 'a part of the current write is gone')
  t.equal(after({ writableLength: 700, queue: 0 }), true, 'a write is done')
  t.equal(after({ handed: 1_500, queue: 700 }), false, 'the next one begins')
  t.equal(after({ writableLength: 0, queue: 0 }), true, 'everything is gone')
  t.equal(after({ bytesWritten: 2_000, handed: 2_000 }), false, 'nothing was waiting: the kernel took it')
  t.equal(after({ bytesWritten: 2_500, writableLength: 500, handed: 2_500, queue: 500 }), false, 'nothing was waiting, and now something is')
  t.equal(after({ handle: false }), false, 'the socket was destroyed; its close event follows')
})
