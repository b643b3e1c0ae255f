// Takes long: it sends megabytes.
import t from 'tap'
import { once } from 'node:events'
import { bare, build, connect, hold, settle, sharesFrames } from './helpers.js'

const KIB = 1024

/** Fills a connection until its peer, which does not read, has `bytes` waiting here. */
function fill (send: (data: string) => unknown, waiting: () => number, bytes: number): void {
  while (waiting() < bytes) send('x'.repeat(64 * KIB))
}

t.test('one stalled reader among a thousand does not slow down the others, and never has too much waiting', async t => {
  const { hub, port, next } = await build(t, { hub: { maxConnectionsPerSubject: Infinity } })
  const clients = Array.from({ length: 999 }, () => connect(t, port, '/ws?subject=reader'))
  await Promise.all(clients.map(client => once(client, 'open')))
  for (let count = 0; count < 999; count++) await next()
  let received = 0
  for (const client of clients) client.on('message', () => { received++ })

  const stalled = bare(t, port, '/ws?subject=stalled')
  const socket = await next()
  stalled.socket.pause()
  const closed = once(socket, 'close')
  const message = 'x'.repeat(256 * KIB)
  let rounds = 0
  let most = 0
  while (hub.count() === 1_000) {
    hub.broadcast(message, { filter: identity => identity.subject === 'stalled' })
    hub.broadcast('tick')
    rounds++
    most = Math.max(most, socket.bufferedAmount)
    await settle(clients[rounds % 999] as typeof clients[0])
  }
  await closed
  t.ok(most <= 1024 * KIB, `${most} bytes were waiting`)
  t.equal(hub.broadcast('the end'), 999)
  await settle(...clients)
  t.equal(received, 999 * (rounds + 1), 'the others get every message')
  t.strictSame(hub.stats.drops, { slow: 1, failed: 0 })
  t.equal(hub.stats.closes.slow, 1)
})

t.test('the message to send counts, and so does what waits for the end of the turn', async t => {
  const { hub, pair } = await build(t, { hub: { maxBufferedBytes: 1_000 } })
  const { client, socket, messages } = await pair()
  if (!sharesFrames) hold(socket)
  t.throws(() => hub.broadcast('x'.repeat(997)), { code: 'WSA_HUB_ERR_DATA_SIZE' }, 'the header has four bytes')
  t.equal(hub.broadcast('x'.repeat(496)), 1)
  t.equal(hub.broadcast('x'.repeat(496)), 1)
  t.equal(hub.stats.deliveries, 2)
  const closed = once(client, 'close')
  t.equal(hub.broadcast(''), 0)
  t.equal((await closed)[0], 1006)
  t.strictSame(messages, [], 'a terminated connection gets nothing more')
})

t.test('slowConsumer "drop" leaves out the newest message', async t => {
  const { hub, port, next } = await build(t, { hub: { maxBufferedBytes: 256 * KIB, slowConsumer: 'drop' } })
  const peer = bare(t, port, '/ws?subject=alice')
  const socket = await next()
  peer.socket.pause()
  fill(data => hub.broadcast(data), () => hub.stats.drops.slow, 10)
  t.ok(socket.bufferedAmount <= 256 * KIB)
  t.equal(hub.broadcast('x'.repeat(64 * KIB)), 0)
  t.equal(hub.stats.drops.slow, 11)
  t.equal(hub.count(), 1, 'the connection lives')
  peer.socket.resume()
  while (socket.bufferedAmount > 0) await new Promise(resolve => setImmediate(resolve))
  t.equal(hub.broadcast('again'), 1)
})

t.test('a slowConsumer function decides each time', async t => {
  const asked: unknown[] = []
  const answers = ['send', 'drop', 'terminate'] as const
  const { hub, port, next } = await build(t, {
    hub: {
      maxBufferedBytes: 128 * KIB,
      slowConsumer: (_, info) => answers[asked.push(info) - 1] ?? 'terminate'
    }
  })
  const peer = bare(t, port, '/ws?subject=alice')
  const socket = await next()
  peer.socket.pause()
  fill(data => socket.send(data), () => socket.bufferedAmount, 128 * KIB)
  const before = socket.bufferedAmount
  t.equal(hub.broadcast('send'), 1)
  t.equal(socket.bufferedAmount, before + 6)
  t.equal(hub.broadcast('drop'), 0)
  t.equal(socket.bufferedAmount, before + 6)
  const closed = once(socket, 'close')
  t.equal(hub.broadcast('terminate'), 0)
  await closed
  t.strictSame(asked, [
    { subject: 'alice', bufferedBytes: before, messageBytes: 6 },
    { subject: 'alice', bufferedBytes: before + 6, messageBytes: 6 },
    { subject: 'alice', bufferedBytes: before + 6, messageBytes: 11 }
  ])
  t.strictSame(hub.stats.drops, { slow: 2, failed: 0 })
})

t.test('a connection is terminated when the slowConsumer function throws', async t => {
  const { hub, pair } = await build(t, {
    hub: { maxBufferedBytes: 100, slowConsumer: () => { throw new Error('no idea') } }
  })
  const { client, socket } = await pair()
  hold(socket)
  const closed = once(client, 'close')
  hub.broadcast('x'.repeat(90))
  t.equal(hub.broadcast('x'.repeat(90)), 0)
  await closed
  t.strictSame(hub.stats.drops, { slow: 0, failed: 1 })
})

t.test('the part that bounds what waits for a peer is told of what the hub writes itself', async t => {
  const { hub, next, port } = await build(t, { hub: { slowConsumer: () => 'send', maxBufferedBytes: 2048 * KIB } })
  const client = connect(t, port, '/ws?subject=slow')
  await once(client, 'open')
  client.pause()
  const socket = await next()
  const told: number[] = []
  Object.assign(socket, { [Symbol.for('airlock written')]: () => { told.push(socket.bufferedAmount) } })
  const data = Buffer.alloc(64 * 1024)
  hub.broadcast(data)
  t.same(told, [], 'not while little waits')
  while (told.length === 0 || (told.at(-1) as number) < 4096 * KIB) {
    hub.broadcast(data)
    await new Promise(resolve => setImmediate(resolve))
  }
  t.ok(told.every(bytes => bytes > 960 * KIB), 'from 1 MiB on, below its own limit as well as above')
  t.equal(socket.readyState, socket.OPEN)
})
