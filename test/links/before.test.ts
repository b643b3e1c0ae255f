// Runs alone: it moves the clock of its process.
// Client and server as they were before signs of life, rates and paces, built from the history, against those of today. What
// versions.test.ts plays byte by byte is shown here with the code itself, where the history has it.
import { standingClock, until } from '@fastify-airlock/testing'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { WebSocket } from 'ws'
import { COMMIT, isKnown, loadBefore } from './before.js'
import { dial, parts, serve } from './peers.js'

const CHUNK = 16 * 1024

const before = isKnown() ? await loadBefore() : undefined

for (const [name, client, server] of [
  ['the client of before, the server of today', before, parts],
  ['the client of today, the server of before', parts, before],
  // The same must hold where nothing differs.
  ['both of before', before, before],
  ['both of today', parts, parts]
] as const) {
  const skip = client === undefined || server === undefined ? `no ${COMMIT} in the history of this clone` : false
  t.test(name, { skip }, async t => {
    const [from, isNew] = [server as typeof parts, server === parts]
    const tested = client as typeof parts

    await t.test('both doors, silence, messages, a refresh, a logout', async t => {
      const clock = standingClock(t, { date: false })
      const running = await serve(t, {
        clock,
        from,
        ...(isNew && { handshake: { alive: 1_000 } }),
        heartbeat: { interval: 5_000, timeout: 2_000 },
        handler: socket => { socket.on('message', data => { socket.send(String(data)) }) }
      })
      const { connection, statuses, signs } = dial(t, running, {}, tested)
      const got: unknown[] = []
      connection.on('message', message => { got.push(message) })
      await until(() => connection.status === 'open')
      t.match(connection.user, { id: 'alice' })

      const end = clock.now + 60_000
      await clock.until(() => clock.now >= end, 100)
      t.equal(connection.status, 'open')
      t.same(got, [], 'nothing of it reaches the application')
      if (isNew && tested === parts) t.ok(signs.count > 0)
      else t.equal(signs.count, 0)

      for (let n = 0; n < 40; n++) connection.send({ n })
      await clock.until(() => got.length === 40, 10)
      t.strictSame(got, Array.from({ length: 40 }, (_, n) => ({ n })))
      await connection.refresh()
      t.same(statuses.filter(status => status === 'open' || status === 'waiting'), ['open'])

      running.app.wsHub.disconnect('alice')
      await clock.until(() => connection.status === 'closed', 10)
      t.match(connection.error, { final: true })
    })

    await t.test('what was sent before a close, and a restart', async t => {
      const clock = standingClock(t, { date: false })
      const sockets: WebSocket[] = []
      const running = await serve(t, { clock, from, handler: socket => { sockets.push(socket) } })
      const { connection, closes } = dial(t, running, { reconnect: { min: 1, max: 1 } }, tested)
      let got = 0
      connection.on('message', data => { got += (data as ArrayBuffer).byteLength })
      await until(() => sockets.length === 1 && connection.status === 'open')
      for (let n = 0; n < 16; n++) sockets[0]?.send(Buffer.alloc(CHUNK))
      sockets[0]?.close(4000, 'again')
      await clock.until(() => sockets.length === 2, 1)
      t.equal(got, 16 * CHUNK)
      t.same(closes, [4000])
    })

    if (!isNew) return
    await t.test('a handler that listens late loses nothing of a full queue', async t => {
      const clock = standingClock(t, { date: false })
      const got: unknown[] = []
      let listen = (): void => {}
      const running = await serve(t, {
        clock,
        from,
        hub: { messageRate: false },
        handler: async socket => {
          await new Promise<void>(resolve => { listen = resolve })
          socket.on('message', data => { got.push(Number(String(data))) })
        }
      })
      const { connection, closes } = dial(t, running, {}, tested)
      for (let n = 0; n < 128; n++) connection.send(n)
      await until(() => connection.status === 'open')
      await sleep(20)
      listen()
      await until(() => got.length === 128 || closes.length > 0)
      t.strictSame(got, Array.from({ length: 128 }, (_, n) => n))
    })
  })
}
