import t from 'tap'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import websocket from '@fastify/websocket'
import Fastify from 'fastify'
import { drain } from '../src/drain.js'
import wsHub from '../src/index.js'
import { bare, build, connect } from './helpers.js'

t.test('clients are told when to come back, and no new ones are admitted', async t => {
  const { hub, pair } = await build(t, { hub: { drain: { jitter: 3_000 }, maxConnectionsPerSubject: Infinity } })
  const pairs = await Promise.all(Array.from({ length: 50 }, () => pair()))
  const stranger = await pair('/stranger')
  const closes = pairs.map(({ client }) => once(client, 'close'))
  const drained = hub.drain()
  t.equal(hub.drain(), drained)
  t.equal(hub.health().draining, true)

  const refused = once(stranger.client, 'close')
  t.equal(hub.add(stranger.socket, { subject: 'bob' }), false)
  const times = new Set<number>()
  for (const [code, reason] of await Promise.all([...closes, refused])) {
    t.equal(code, 1012)
    const { retryAfter, ...rest } = JSON.parse(reason.toString())
    t.ok(Number.isInteger(retryAfter) && retryAfter >= 0 && retryAfter <= 3_000, `${retryAfter} ms`)
    t.strictSame(rest, {})
    times.add(retryAfter)
  }
  t.ok(times.size > 25, 'they do not all come back at once')
  await drained
  t.equal(hub.count(), 0)
  t.equal(hub.stats.closes.drained, 50)
  t.equal(hub.stats.refusals.draining, 1)
})

t.test('draining without connections', async t => {
  const { hub } = await build(t)
  await hub.drain()
  t.equal(hub.health().draining, true)
})

t.test('the server closes even if a peer does not answer', async t => {
  const { app, hub, port, next } = await build(t, {
    hub: { closeTimeout: 60_000, drain: { timeout: 300 } },
    options: { closeTimeout: 60_000 } as object
  })
  bare(t, port, '/ws?subject=alice')
  await next()
  const client = connect(t, port, '/ws?subject=bob')
  await next()
  const closed = once(client, 'close')
  const start = performance.now()
  await app.close()
  const elapsed = performance.now() - start
  t.ok(elapsed >= 290 && elapsed < 25_000, `after ${elapsed} ms`)
  t.equal((await closed)[0], 1012)
  t.equal(hub.count(), 0)
})

t.test('draining works without websocketOptions', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  // The default preClose would close the sockets first.
  await app.register(websocket, { preClose: done => done() })
  await app.register(wsHub)
  app.get('/ws', { websocket: true }, socket => { app.wsHub.add(socket, { subject: 'alice' }) })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const client = connect(t, (app.server.address() as AddressInfo).port, '/ws')
  await once(client, 'open')
  while (app.wsHub.count() === 0) await new Promise(resolve => setImmediate(resolve))
  const closed = once(client, 'close')
  await app.close()
  const [code, reason] = await closed
  t.equal(code, 1012)
  t.match(reason.toString(), /^\{"retryAfter":\d+\}$/)
})

t.test('connections are closed in batches', async t => {
  const batches: number[][] = []
  let batch: number[] | null = null
  const start = performance.now()
  const gone = new AbortController()
  await drain([1, 2, 3, 4, 5], { batch: 2, interval: 20, timeout: 10_000, jitter: 1 }, {
    close: number => {
      if (batch === null) {
        batches.push(batch = [])
        // A turn of the event loop may take longer than the interval.
        queueMicrotask(() => { batch = null })
      }
      batch.push(number)
      if (number === 5) gone.abort()
    },
    terminate: () => t.fail('no connection was late'),
    closeTimeout: 100,
    gone: gone.signal
  })
  const elapsed = performance.now() - start
  t.strictSame(batches, [[1, 2], [3, 4], [5]])
  t.ok(elapsed >= 38 && elapsed < 25_000, `after ${elapsed} ms`)
})

t.test('batches grow when time is short', async t => {
  const closed: number[] = []
  const terminated: number[] = []
  const start = performance.now()
  await drain(Array.from({ length: 1_000 }, (_, index) => index), { batch: 1, interval: 50, timeout: 300, jitter: 1 }, {
    close: number => { closed.push(number) },
    terminate: number => { terminated.push(number) },
    closeTimeout: 100,
    gone: new AbortController().signal
  })
  const elapsed = performance.now() - start
  t.equal(closed.length, 1_000)
  t.equal(terminated.length, 1_000)
  t.ok(elapsed >= 290 && elapsed < 25_000, `after ${elapsed} ms`)
})
