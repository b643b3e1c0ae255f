// Runs alone: it measures memory.
import { usesPublicWay } from '@fastify-airlock/core'
import { randomBytes } from 'node:crypto'
import net from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t, { type Test } from 'tap'
import { head, start } from './wire.js'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

const PEERS = 256
const MEGABYTE = 1024 * 1024

/** Without the private parts of ws, a first message may grow to maxPayload. */
const skip = usesPublicWay() || (Number.parseInt(process.versions.node) >= 24 && 'Node 24 frees 2 MiB of earlier rounds at any time, nearly as much as is measured')

const MASK = Buffer.alloc(4)

/** A masked frame of text; `length` is what its head says. */
function frame (payload: Buffer, { first = 0x81, length = payload.length } = {}): Buffer {
  const size = length < 126 ? Buffer.from([0x80 | length]) : length < 65_536 ? Buffer.from([0xfe, length >> 8, length & 0xff]) : Buffer.from([0xff, 0, 0, 0, 0, 0, length >> 16, length >> 8 & 0xff, length & 0xff])
  return Buffer.concat([Buffer.from([first]), size, MASK, payload])
}

/** 64 KiB in pings, and after them the last bytes: a chunk of the network that a few bytes may pin. */
function behindPings (bytes: Buffer): Buffer {
  return Buffer.concat([...Array.from({ length: 490 }, () => frame(Buffer.alloc(125), { first: 0x8a })), bytes])
}

/** What each peer sends and never completes: in as many writes as there are buffers. */
const HALVES: Record<string, () => Buffer[]> = {
  'half of a frame of 64 KiB': () => [frame(randomBytes(32_768), { length: 65_536 })],
  'half of a frame of 64 KiB, a KiB at a time': () => [frame(Buffer.alloc(0), { length: 65_536 }), ...Array.from({ length: 32 }, () => randomBytes(1_024))],
  'half of a frame of 8 KiB': () => [frame(randomBytes(4_096), { length: 8_192 })],
  'half of a frame of 8 KiB, a few bytes at a time': () => [frame(Buffer.alloc(0), { length: 8_192 }), ...Array.from({ length: 200 }, () => randomBytes(20))],
  'parts of one byte': () => [Buffer.concat(Array.from({ length: 4_000 }, (_, index) => frame(Buffer.from('x'), { first: index === 0 ? 0x01 : 0x00 })))],
  'one byte of a frame, behind pings': () => [behindPings(frame(Buffer.from('x'), { length: 8_000 }))],
  'one part of one byte, behind pings': () => [behindPings(frame(Buffer.from('x'), { first: 0x01 }))],
  'one byte of a head, behind pings': () => [behindPings(Buffer.from([0x81]))],
  'parts with pings between': () => Array.from({ length: 3 }, (_, index) => behindPings(frame(Buffer.from('x'), { first: index === 0 ? 0x01 : 0x00 })))
}

/** Heap and external memory, in bytes, once nothing is collected any more. */
async function memory (): Promise<number> {
  let least = Infinity
  for (let pass = 0; pass < 6; pass++) {
    await new Promise(resolve => setTimeout(resolve, 10))
    collect()
    const { heapUsed, external } = process.memoryUsage()
    least = Math.min(least, heapUsed + external)
  }
  return least
}

/** Opens sockets that send no complete first message, and measures what they cost in this process, their clients left out. */
async function cost (t: Test, send: () => Buffer[]): Promise<number> {
  const { app, port, ticket } = await start(t, {
    server: { logger: false } as object,
    routes: app => { app.get('/two-doors', { websocket: true, preValidation: app.wsGuard() }, app.wsHandshake(() => {}, { authTimeout: 600_000 })) }
  })
  const before = await memory()
  // They neither answer a close frame nor end: those that are refused stay as long as any can.
  const peers: net.Socket[] = []
  for (let index = 0; index < PEERS; index++) {
    const peer = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    peers.push(peer)
    t.teardown(() => peer.destroy())
    peer.on('error', () => {}).resume()
    peer.write(head({ target: `/two-doors?ticket=${await ticket()}`, host: `127.0.0.1:${port}` }))
  }
  while (app.websocketServer.clients.size < PEERS) await new Promise(resolve => setTimeout(resolve, 10))
  let sent = 0
  for (const peer of peers) {
    peer.setNoDelay()
    for (const chunk of send()) {
      await new Promise(resolve => peer.write(chunk, resolve))
      sent += chunk.length
    }
  }
  const read = (): number => [...app.websocketServer.clients].reduce((sum, client) => sum + ((client as unknown as { _socket: net.Socket | null })._socket?.bytesRead ?? 0), 0)
  for (let last = -1, now = read(); now !== last; last = now, now = read()) await new Promise(resolve => setTimeout(resolve, 50))
  const used = await memory() - before
  t.comment(`${sent / PEERS} bytes each, ${app.websocketServer.clients.size} sockets: ${(used / MEGABYTE).toFixed(2)} MiB`)
  for (const peer of peers) peer.destroy()
  await app.close()
  return used
}

t.test(`${PEERS} peers with a first message that is not complete cost less than 3 MiB above as many that are mute`, { skip }, async t => {
  // Whatever is made once is there afterwards.
  await t.test('first', async t => { await cost(t, () => [frame(randomBytes(4_096), { length: 8_192 })]) })
  let mute = 0
  await t.test('mute', async t => { mute = await cost(t, () => []) })
  for (const [name, send] of Object.entries(HALVES)) {
    await t.test(name, async t => {
      const more = (await cost(t, send) - mute) / MEGABYTE
      t.ok(more < 3, `${more.toFixed(2)} MiB more`)
    })
  }
})
