// Takes long: it waits for intervals of the real clock.
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import t from 'tap'
import type { WebSocket } from 'ws'
import { bare, build, clientTls, connect, message, serverTls } from './helpers.js'

const INTERVAL = 200
const TIMEOUT = 100
/** A younger connection may not be terminated. */
const SHORTEST = INTERVAL / 2 + TIMEOUT

/** Waits until a client was pinged that many times. */
async function pinged (client: WebSocket, times: number): Promise<void> {
  for (let i = 0; i < times; i++) await once(client, 'ping')
}

t.test('a peer that never answers is terminated', async t => {
  const { heartbeat, port, next } = await build(t, { interval: INTERVAL, timeout: TIMEOUT })
  const peer = bare(t, port)
  const { socket, lifetime } = await next()
  const closed = once(socket, 'close')
  t.ok(await lifetime >= SHORTEST)
  t.equal((await closed)[0], 1006)
  if (!peer.destroyed) await once(peer, 'close')
  t.equal(heartbeat.terminated, 1)
  t.equal(heartbeat.size, 0)
})

t.test('a peer that has vanished is terminated, however much is sent to it', async t => {
  const { port, next } = await build(t, { interval: INTERVAL, timeout: TIMEOUT })
  bare(t, port).pause()
  const { socket, lifetime } = await next()
  // The kernel takes all of this, which must not count as reading.
  const timer = setInterval(() => { socket.send('news') }, 5)
  t.teardown(() => clearInterval(timer))
  t.ok(await lifetime >= SHORTEST)
})

t.test('a client that answers lives on', async t => {
  const { heartbeat, port, next } = await build(t, { interval: 500, timeout: 500 })
  const client = connect(t, port)
  await next()
  await pinged(client, 4)
  t.ok(heartbeat.pings >= 4)
  t.equal(heartbeat.terminated, 0)
  t.equal(client.readyState, client.OPEN)
})

t.test('a busy client lives on without answering pings', async t => {
  const { heartbeat, port, next } = await build(t, { interval: 500, timeout: 500 })
  const busy = bare(t, port)
  const { socket, at } = await next()
  const timer = setInterval(() => { busy.write(message) }, 10)
  t.teardown(() => clearInterval(timer))
  while (performance.now() - at < 2_500) await once(socket, 'message')
  t.equal(socket.readyState, socket.OPEN)
  t.equal(heartbeat.terminated, 0)
})

t.test('a client that comes just before a check of others is not terminated early', async t => {
  const { heartbeat, port, next } = await build(t, { interval: INTERVAL, timeout: TIMEOUT })
  const lifetimes: Array<Promise<number>> = []
  // Silent clients, at all moments of two intervals.
  for (let i = 0; i < 40; i++) {
    bare(t, port)
    lifetimes.push((await next()).lifetime)
    await new Promise(resolve => setTimeout(resolve, 10))
  }
  const shortest = Math.min(...await Promise.all(lifetimes))
  t.ok(shortest >= SHORTEST, `the first lived ${shortest} ms`)
  t.equal(heartbeat.terminated, 40)
})

t.test('clients survive a stall of the server', async t => {
  const { heartbeat, port } = await build(t, { interval: 200, timeout: 100 })
  // In its own thread, or the client would stall as well.
  const worker = new Worker(
    "new (require('ws').WebSocket)('ws://127.0.0.1:' + require('node:worker_threads').workerData + '/ws')",
    { eval: true, workerData: port }
  )
  t.teardown(() => worker.terminate())

  const nextPing = async (): Promise<void> => {
    const { pings } = heartbeat
    while (heartbeat.pings === pings && heartbeat.terminated === 0) await new Promise(resolve => setTimeout(resolve, 1))
  }
  for (let stalls = 0; stalls < 5; stalls++) {
    await nextPing()
    // Between the ping and its answer.
    const end = performance.now() + 500
    while (performance.now() < end);
  }
  await nextPing()
  t.equal(heartbeat.terminated, 0)
  t.equal(heartbeat.size, 1)
})

for (const by of ['the application', 'ws'] as const) {
  t.test(`a socket whose reading is paused by ${by} is not terminated`, async t => {
    const { heartbeat, port, next } = await build(t, { interval: INTERVAL, timeout: TIMEOUT })
    const client = connect(t, port)
    await once(client, 'open')
    const { socket, request, lifetime } = await next()
    // `ws` pauses the TCP socket alone, while it inflates.
    const paused = by === 'ws' ? request.socket : socket
    paused.pause()
    // Node goes on reading until its own buffer is full. From then on, what the client says stays in the kernel.
    for (let i = 0; i < 4_000; i++) client.send(Buffer.alloc(256))
    await pinged(client, 4)
    t.equal(heartbeat.terminated, 0)
    client.pause()
    paused.resume()
    t.ok(await lifetime >= SHORTEST, 'and is terminated once reading goes on')
  })
}

t.test('unauthenticated or not, 1,000 connections leave nothing behind', async t => {
  const { app, heartbeat, port, next } = await build(t)
  const clients = []
  const closed: Array<Promise<unknown>> = []
  for (let i = 0; i < 1_000; i++) {
    clients.push(bare(t, port))
    closed.push(once((await next()).socket, 'close'))
  }
  t.equal(heartbeat.size, 1_000)
  for (const [i, client] of clients.entries()) i % 2 === 0 ? client.destroy() : client.resetAndDestroy()
  await Promise.all(closed)
  t.equal(heartbeat.size, 0)
  t.equal(app.websocketServer.clients.size, 0)
})

t.test('over TLS', async t => {
  const { heartbeat, port, next } = await build(t, { interval: 500, timeout: 500 }, { https: serverTls })
  const alive = connect(t, port, clientTls, 'wss')
  await next()
  await pinged(alive, 3)
  t.equal(heartbeat.terminated, 0)

  const mute = bare(t, port, true)
  const { socket, lifetime } = await next()
  mute.pause()
  const timer = setInterval(() => { socket.send('news') }, 5)
  t.teardown(() => clearInterval(timer))
  t.ok(await lifetime >= 750)
  t.equal(heartbeat.terminated, 1)
  t.equal(alive.readyState, alive.OPEN)
})

t.test('without a TCP socket, as with injectWS', async t => {
  const { app, heartbeat, next } = await build(t, { interval: INTERVAL, timeout: TIMEOUT })
  const client = await app.injectWS('/ws')
  // This client does not answer by itself.
  const answer = () => { client.pong() }
  client.on('ping', answer)
  const { lifetime } = await next()
  await pinged(client, 3)
  t.equal(heartbeat.terminated, 0)
  client.off('ping', answer)
  t.ok(await lifetime >= SHORTEST)
  t.equal(heartbeat.size, 0)
})
