// Runs alone: it moves the clock of its process.
// Client and server agree by default, over a real link.
import { standingClock, until } from '@fastify-airlock/testing'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { dial, serve } from './peers.js'

t.test('a burst of 300 is paced below the default limit', async t => {
  const clock = standingClock(t, { date: false })
  const got: number[] = []
  const server = await serve(t, { clock, handler: socket => { socket.on('message', data => { got.push(Number(String(data))) }) } })
  const { connection, statuses, closes } = dial(t, server, { queue: { messages: 300 } })
  await until(() => connection.status === 'open')
  for (let n = 0; n < 300; n++) connection.send(1_000 + n)
  while (got.length < 300 && closes.length === 0) {
    // What has been sent arrives before the clock moves: four bytes each wait at the client.
    await until(() => closes.length > 0 || got.length + connection.bufferedAmount / 4 === 300)
    clock.pass(20)
  }
  t.same(closes, [], 'no 4429')
  t.equal(statuses.at(-1), 'open')
  t.strictSame(got, Array.from({ length: 300 }, (_, n) => 1_000 + n))
})

t.test('a handler that awaits loses nothing of a full queue', async t => {
  const clock = standingClock(t, { date: false })
  const got: number[] = []
  const server = await serve(t, {
    clock,
    handler: async socket => {
      await sleep(20)
      socket.on('message', data => { got.push(Number(String(data))) })
    }
  })
  const { connection, closes } = dial(t, server)
  for (let n = 0; n < 128; n++) t.equal(connection.send(n), false)
  t.throws(() => connection.send(128), { code: 'WSA_CLIENT_ERR_QUEUE_FULL' })
  await until(() => got.length > 16 || closes.length > 0)
  await clock.until(() => got.length === 128 || closes.length > 0, 20)
  t.same(closes, [], 'no 4413')
  t.strictSame(got, Array.from({ length: 128 }, (_, n) => n))
})

t.test('a JWT over 8 KiB passes when both sides are set up so', async t => {
  const maxAuthBytes = 32 * 1024
  const clock = standingClock(t, { date: false })
  const server = await serve(t, { clock, handshake: { maxAuthBytes }, maxPayload: 64 * 1024, handler: socket => { socket.send('"in"') } })
  const { connection } = dial(t, server, {
    maxAuthBytes,
    getToken: ({ attempt, reason }) => server.app.jwt.sign({ sub: 'alice', jti: `${reason}${attempt}`, groups: 'g'.repeat(12 * 1024) }, { expiresIn: 600 })
  })
  // In pieces of any size.
  server.relay.up.freeze()
  let refreshed = false
  const messages: unknown[] = []
  connection.on('message', message => { messages.push(message) })
  const drip = async (done: () => boolean): Promise<void> => {
    while (!done()) {
      server.relay.up.allow(777)
      await sleep(1)
    }
  }
  await drip(() => messages.length > 0)
  t.same(messages, ['in'])
  connection.refresh().then(() => { refreshed = true })
  await drip(() => refreshed)
  t.ok(server.relay.up.passed > 32 * 1024)
})
