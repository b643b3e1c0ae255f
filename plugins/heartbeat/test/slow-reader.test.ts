// Takes long: it fills the buffers of real connections.
import net from 'node:net'
import { setImmediate as immediate } from 'node:timers/promises'
import { bytesTaken, usesPublicWay } from '@fastify-airlock/core'
import t, { type Test } from 'tap'
import { Peer } from '../src/peer.js'
import { bare, build, buildUnit, serverTls } from './helpers.js'

const MEGABYTE = 1024 * 1024
const TIMING = { interval: 400, timeout: 400 }

/** A real connection whose client reads nothing, watched by a heartbeat with a clock of its own. */
async function dial (t: Test, secure = false) {
  const { port, next } = await build(t, {}, secure ? { https: serverTls } : {})
  const client = bare(t, port, secure)
  const { socket, request, lifetime } = await next()
  client.pause()
  const { heartbeat, advance } = buildUnit(t, TIMING)
  heartbeat.watch(socket, request)
  return { client, socket, transport: request.socket, lifetime, heartbeat, advance }
}

for (const [what, count, secure] of [
  ['one large message', 1, false], ['many messages', 64, false], ['one large message over TLS', 1, true]
] as const) {
  // Nothing public tells how far a write has come, and Node writes all messages that wait in one go.
  const skip = usesPublicWay() && 'a write counts as a whole'
  t.test(`a reader that is slow with ${what} lives as long as it goes on reading`, { skip }, async t => {
    const { client, socket, transport, lifetime, heartbeat, advance } = await dial(t, secure)
    let sent = 0
    const data = Buffer.alloc(64 * MEGABYTE / count)
    for (let i = 0; i < count; i++) socket.send(data, () => { sent++ })
    let timeouts = 0
    while (transport.writableLength > 0) {
      const before = bytesTaken(transport)
      client.resume()
      while (bytesTaken(transport) === before && transport.writableLength > 0) await immediate()
      client.pause()
      await advance(TIMING.timeout)
      timeouts++
      t.equal(heartbeat.terminated, 0)
    }
    t.ok(timeouts >= 4, `the queue stood for ${timeouts} timeouts`)
    // It answers no ping, so it is terminated in the end.
    await advance(4 * TIMING.timeout)
    t.equal(heartbeat.terminated, 1)
    await lifetime
    t.equal(sent, count)
  })
}

t.test('a reader that has stopped is terminated, however much waits for it', async t => {
  const { socket, lifetime, heartbeat, advance } = await dial(t)
  socket.send(Buffer.alloc(64 * MEGABYTE))
  await advance(4 * TIMING.timeout)
  t.equal(heartbeat.terminated, 1)
  await lifetime
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
