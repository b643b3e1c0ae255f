import t from 'tap'
import { recentOrdersOf } from '@fastify-airlock/core'
import { once } from 'node:events'
import { bare, build, connect, CUT_SOON, settle } from './helpers.js'

t.test('every connection of the subject is closed, and no other', async t => {
  const { hub, pair } = await build(t)
  const first = await pair()
  const second = await pair()
  const bob = await pair('/ws?subject=bob')
  const closes = [first, second].map(({ client }) => once(client, 'close'))
  t.equal(hub.disconnect('alice'), 2)
  t.equal(hub.disconnect('alice'), 0, 'they are closing already')
  for (const [code, reason] of await Promise.all(closes)) {
    t.equal(code, 4403)
    t.equal(reason.toString(), 'disconnected')
  }
  await settle(bob.client)
  t.strictSame(hub.subjects(), ['bob'])
  t.equal(hub.disconnect('nobody'), 0)
})

t.test('the caller chooses code and reason', async t => {
  const { hub, pair } = await build(t)
  const { client } = await pair()
  t.equal(hub.disconnect('alice', { code: 1012, reason: 'é'.repeat(100) }), 1)
  const [code, reason] = await once(client, 'close')
  t.equal(code, 1012)
  t.equal(reason.toString(), 'é'.repeat(61), 'cut to fit into a close frame')
})

t.test('a code that must not be sent closes nothing', async t => {
  const { hub, pair } = await build(t)
  const { client, messages } = await pair()
  for (const code of [999, 1004, 1005, 1006, 1015, 2999, 5000, 4000.5]) {
    t.throws(() => hub.disconnect('alice', { code }), { code: 'WSA_HUB_ERR_INVALID_CODE' })
  }
  t.equal(hub.broadcast('still here'), 1)
  await settle(client)
  t.strictSame(messages, ['still here'])
})

t.test('a peer that does not answer is terminated in time, and not heard meanwhile', async t => {
  const { hub, port, next } = await build(t, CUT_SOON)
  const peer = bare(t, port, '/ws?subject=alice')
  const socket = await next()
  const heard: string[] = []
  socket.on('message', data => { heard.push(data.toString()) })
  const start = performance.now()
  t.equal(hub.disconnect('alice'), 1)
  t.equal(hub.broadcast('too late'), 0)

  // A masked text frame "hi", then a ping that shows when it has been read.
  const pinged = once(socket, 'ping')
  peer.socket.write(Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69, 0x89, 0x80, 0, 0, 0, 0]))
  await pinged
  t.strictSame(heard, [])

  await once(socket, 'close')
  const elapsed = performance.now() - start
  // A timer of Node may be a millisecond early.
  t.ok(elapsed >= 199 && elapsed < 25_000, `terminated after ${elapsed} ms`)
  t.equal(peer.frames().readUInt16BE(2), 4403, 'the close frame was sent first')
  t.equal(hub.count(), 0)
})

t.test('a peer that does not read is terminated although the close frame cannot reach it', async t => {
  const { hub, port, next } = await build(t, { ...CUT_SOON, hub: { ...CUT_SOON.hub, flushTimeout: 300, maxBufferedBytes: 32 * 1024 * 1024 } })
  const peer = bare(t, port, '/ws?subject=alice')
  const socket = await next()
  peer.socket.pause()
  hub.broadcast(Buffer.alloc(16 * 1024 * 1024))
  t.equal(hub.disconnect('alice'), 1)
  await once(socket, 'close')
  t.equal(hub.count(), 0)
})

t.test('more sessions that were ended than are remembered are logged, and degrade health', async t => {
  const lines: string[] = []
  const { app, hub } = await build(t, { fastify: { logger: { level: 'warn', stream: { write: (line: string) => { lines.push(line) } } } } })
  const recent = recentOrdersOf(app.server)
  for (let number = 0; number < 99_999; number++) recent.add({ session: `s${number}` }, { reason: 'out' })
  hub.disconnect({ session: 'a' })
  for (const user of ['alice', 'bob']) hub.disconnect(user)
  t.match(hub.health(), { status: 'ok', bus: 'none' }, 'those that end nothing for good are another matter')
  t.strictSame(lines, [])
  for (const session of ['b', 'c']) hub.disconnect({ session })
  t.match(hub.health(), { status: 'degraded', bus: 'none' })
  t.match(lines.map(line => JSON.parse(line)), [{ level: 40, limit: 100_000, msg: /sessions that were ended/ }])
  t.equal(lines.length, 1, 'once')
})

t.test('who began before an order that had to be forgotten comes again', async t => {
  const { app, hub, port, pair } = await build(t)
  const recent = recentOrdersOf(app.server)
  const { client } = await pair('/ws?subject=bob')
  const given = performance.now() + 3_600_000
  for (let number = 0; number < 100_001; number++) recent.add({ subject: `user ${number}` }, { reason: 'out', given })
  await settle(client)
  t.equal(hub.count(), 1, 'who is in stays')
  const [code, reason] = await once(connect(t, port, '/ws?subject=alice'), 'close')
  t.strictSame([code, String(reason)], [1013, 'try again'])
})
