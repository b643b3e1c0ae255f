import t, { type Test } from 'tap'
import { once } from 'node:events'
import type { WebSocket } from 'ws'
import { bare, build, settle, sharesFrames } from './helpers.js'

const text = (bytes: number) => 'x'.repeat(bytes)
const binary = (bytes: number) => Buffer.alloc(bytes, 'binary ')

const payloads = [
  '', 'hello', 'grüße, 世界 🌍', 'a lone surrogate: \ud800', Buffer.alloc(0), Uint8Array.of(0, 1, 254, 255),
  ...[125, 126, 65_535, 65_536, 300_000].flatMap(bytes => [text(bytes), binary(bytes)])
]

/** Sends everything to one peer through the hub and to another through `ws`, and compares what they got. */
async function compare (t: Test, { deflate = false } = {}) {
  const { hub, port, next } = await build(t, {
    options: deflate ? { perMessageDeflate: { threshold: 0 } } : {}
  })
  const headers = deflate ? ['Sec-WebSocket-Extensions: permessage-deflate'] : []
  const viaHub = bare(t, port, '/ws?subject=alice', headers)
  const hubSocket = await next()
  const viaWs = bare(t, port, '/stranger', headers)
  const wsSocket = await next()
  const sends = t.capture(hubSocket, 'send', hubSocket.send)

  for (const payload of payloads) {
    t.equal(hub.broadcast(payload), 1)
    wsSocket.send(payload)
  }
  const closed = [viaHub, viaWs].map(peer => peer.closed(0x88, 2, 0x03, 0xe8))
  hubSocket.close(1000)
  wsSocket.close(1000)
  await Promise.all(closed)
  t.ok(viaHub.frames().equals(viaWs.frames()), 'the same bytes')
  return { frames: viaHub.frames(), sends: sends().length }
}

t.test('the bytes on the wire are those of ws', async t => {
  const { frames, sends } = await compare(t)
  const bytes = payloads.reduce<number>((sum, payload) => sum + Buffer.byteLength(payload), 0)
  t.ok(frames.length > bytes)
  t.equal(sends, sharesFrames ? 0 : payloads.length, 'every frame was shared')
})

t.test('the bytes on the wire are those of ws with compression', async t => {
  const { frames, sends } = await compare(t, { deflate: true })
  t.equal(frames[0], 0xc1, 'it is compressed')
  t.equal(sends, payloads.length, 'no frame was shared')
})

t.test('bufferedAmount counts what the hub has sent', async t => {
  const { hub, port, next } = await build(t, { hub: { maxBufferedBytes: 32 * 1024 * 1024 } })
  const peer = bare(t, port, '/ws?subject=alice')
  const socket = await next()
  peer.socket.pause()
  // More than the kernel takes, so that everything after it has to wait in this process.
  hub.broadcast(Buffer.alloc(16 * 1024 * 1024))
  const before = socket.bufferedAmount
  t.ok(before > 0)
  hub.broadcast(text(1_000))
  t.equal(socket.bufferedAmount, before + 4 + 1_000)
  socket.send(text(1_000))
  t.equal(socket.bufferedAmount, before + 2 * (4 + 1_000))
})

t.test('views and buffers are sent as binary, and may be changed afterwards', async t => {
  const { hub, pair } = await build(t)
  const { client } = await pair()
  const words = Uint16Array.of(0x0101, 0x0202, 0x0303)
  const received: Array<[string, boolean]> = []
  client.on('message', (data, isBinary) => { received.push([(data as Buffer).toString('hex'), isBinary]) })
  hub.broadcast(words.subarray(1))
  hub.broadcast(words.buffer)
  hub.broadcast(new DataView(words.buffer, 1, 2))
  words.fill(0)
  await settle(client)
  t.strictSame(received, [['02020303', true], ['010102020303', true], ['0102', true]])
})

t.test('everything else is sent as JSON that is made once', async t => {
  const { hub, pair } = await build(t)
  const alice = await pair('/ws?subject=alice')
  const bob = await pair('/ws?subject=bob')
  let made = 0
  t.equal(hub.broadcast({ type: 'broadcast', toJSON () { made++; return { type: 'made' } } }), 2)
  t.equal(made, 1)
  hub.broadcast([1, 'two', null])
  await settle(alice.client, bob.client)
  t.strictSame(alice.messages, ['{"type":"made"}', '[1,"two",null]'])
  t.strictSame(bob.messages, alice.messages)
})

t.test('data without a JSON form is refused', async t => {
  const { hub, pair } = await build(t)
  await pair()
  const circular: { self?: object } = {}
  circular.self = circular
  t.throws(() => hub.broadcast(circular), { code: 'WSA_HUB_ERR_INVALID_DATA', cause: { name: 'TypeError' } })
  t.throws(() => hub.publish('nowhere', () => {}), { code: 'WSA_HUB_ERR_INVALID_DATA', cause: undefined })
})

async function ordered (t: Test, socket: WebSocket, client: WebSocket, broadcast: (data: string) => number) {
  const messages: string[] = []
  client.on('message', data => { messages.push(data.toString()) })
  const expected: string[] = []
  const say = (way: (data: string) => unknown, data: string) => {
    way(data)
    expected.push(data)
  }
  const send = (data: string) => socket.send(data)
  const blob = (data: string) => socket.send(new Blob([data]))
  for (let round = 0; round < 50; round++) {
    say(send, `send ${round}`)
    say(broadcast, `broadcast ${round}`)
    say(blob, `blob ${round}`)
    say(broadcast, `broadcast behind a blob ${round}`)
    say(send, `send behind it ${round}`)
    socket.ping()
    // Now and then the queue runs empty, so that both ways are taken.
    if (round % 5 === 0) await new Promise(resolve => socket.ping(resolve))
  }
  say(send, 'last')
  while (messages.at(-1) !== 'last') await once(client, 'message')
  t.strictSame(messages, expected)
}

t.test('order is kept between the hub and send', async t => {
  const { hub, pair } = await build(t)
  const { client, socket } = await pair()
  await ordered(t, socket, client, data => hub.broadcast(data))
})

t.test('order is kept between the hub and send with compression', async t => {
  const { hub, pair } = await build(t, { options: { perMessageDeflate: { threshold: 0 } } })
  const { client, socket } = await pair('/ws?subject=alice', { perMessageDeflate: true })
  t.equal(client.extensions, 'permessage-deflate')
  await ordered(t, socket, client, data => hub.broadcast(data))
})

t.test('the hub puts no frame between the fragments of a message', async t => {
  const { hub, port, next } = await build(t)
  const peer = bare(t, port, '/ws?subject=alice')
  const socket = await next()
  socket.send('first', { fin: false })
  hub.broadcast('hub')
  socket.close()
  await peer.closed(0x88, 0)
  t.equal(peer.frames()[7], 0x80, 'ws itself would have ended the message with it')
})
