// Takes long: it sends megabytes.
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { WebSocket } from 'ws'
import { build, connect, openConnections, type Peer, tcp, until, upgrade, upstream } from './helpers.js'

const KIB = 1024
const MIB = 1024 * KIB
const MESSAGES = 512
const SIZE = 64 * KIB

/** Sends 32 MiB, with a number in each message. */
function flood (socket: WebSocket): void {
  for (let i = 0; i < MESSAGES; i++) {
    const data = Buffer.alloc(SIZE)
    data.writeUInt32BE(i)
    socket.send(data)
  }
}

/** Waits until nothing leaves a flooded socket any more. Returns the number of bytes that nobody has read. */
async function stalled (socket: WebSocket): Promise<number> {
  let before = -1
  // Turns of the event loop, not only time: nothing leaves while a process gets no time to run.
  for (let turns = 0; turns < 20; turns++) {
    await sleep(10)
    if (socket.bufferedAmount !== before || before >= MESSAGES * SIZE) turns = 0
    before = socket.bufferedAmount
  }
  return before
}

async function receivesAll (peer: Peer): Promise<boolean> {
  for (let i = 0; i < MESSAGES; i++) {
    const { data } = await peer.next()
    if ((data as Buffer).readUInt32BE() !== i || (data as Buffer).length !== SIZE) return false
  }
  return true
}

t.test('a fast upstream waits for a browser that does not read', async t => {
  const far = await upstream(t, { onConnection: ({ socket }) => flood(socket) })
  const { app, port } = await build(t, { proxy: { upstream: far.url } })
  const connection = once(app.websocketServer, 'connection')
  const near = tcp(t, port, upgrade())
  near.pause()
  const [socket] = await connection as [WebSocket]
  const { socket: source } = await far.next()
  let most = 0
  const watch = setInterval(() => { most = Math.max(most, socket.bufferedAmount) }, 1)
  t.teardown(() => clearInterval(watch))

  const unread = await stalled(source)
  most = Math.max(most, socket.bufferedAmount)
  t.ok(most > 1 * MIB, `${most} bytes wait for the browser`)
  t.ok(most < 2 * MIB, 'less than twice the bound')
  t.ok(unread > 16 * MIB, `${unread} bytes still wait at the upstream`)

  let received = 0
  near.on('data', chunk => { received += chunk.length })
  near.resume()
  await until(() => received >= MESSAGES * SIZE)
  await until(() => socket.bufferedAmount === 0 && source.bufferedAmount === 0)
  t.ok(most < 2 * MIB, `never more than ${most}`)
})

t.test('a browser that reads slowly loses nothing of a fast upstream', async t => {
  const far = await upstream(t, { onConnection: ({ socket }) => flood(socket) })
  const { port } = await build(t, { proxy: { upstream: far.url, highWaterMark: 128 * KIB, lowWaterMark: 1 } })
  const near = await connect(t, port)
  let n = 0
  near.socket.on('message', () => {
    if (++n % 100 !== 0) return
    near.socket.pause()
    setTimeout(() => near.socket.resume(), 5)
  })
  t.ok(await receivesAll(near))
})

t.test('a fast client waits for an upstream that does not read', async t => {
  const far = await upstream(t, { onConnection: ({ socket }) => { socket.pause() } })
  const { port } = await build(t, { proxy: { upstream: far.url } })
  const near = await connect(t, port)
  flood(near.socket)
  const unread = await stalled(near.socket)
  t.ok(unread > 16 * MIB, `${unread} bytes still wait at the client`)
  const peer = await far.next()
  peer.socket.resume()
  t.ok(await receivesAll(peer))
})

t.test('a browser that does not read is cut off in the end', async t => {
  const far = await upstream(t, { onConnection: ({ socket }) => flood(socket) })
  const { app, port } = await build(t, { proxy: { upstream: far.url, drainTimeout: 300, closeTimeout: 100 } })
  const connection = once(app.websocketServer, 'connection')
  const startedAt = performance.now()
  const near = tcp(t, port, upgrade())
  near.pause()
  const peer = await far.next()
  await connection
  await until(() => app.wsProxy.open === 0)
  t.ok(performance.now() - startedAt >= 300)
  // The rest of its flood is still to be sent, so it does not see the close frame.
  await peer.closed
  await until(async () => await openConnections(app.server) === 0)
})

t.test('an upstream that does not read is cut off in the end', async t => {
  const far = await upstream(t, { onConnection: ({ socket }) => { socket.pause() } })
  const { app, port } = await build(t, { proxy: { upstream: far.url, drainTimeout: 300 } })
  const near = await connect(t, port)
  flood(near.socket)
  const [code] = await near.closed
  t.ok(code === 1014 || code === 1006, 'the close frame arrives unless the flood is in its way')
  t.equal(app.wsProxy.open, 0)
})

t.test('a client that resets while it is not read is noticed in the end', async t => {
  const far = await upstream(t, { onConnection: ({ socket }) => { socket.pause() } })
  const { app, port } = await build(t, { proxy: { upstream: far.url, drainTimeout: 300, closeTimeout: 100 } })
  const near = await connect(t, port)
  flood(near.socket)
  await stalled(near.socket)
  near.socket.terminate()
  await until(() => app.wsProxy.open === 0)
  await until(async () => await openConnections(app.server) === 0)
  t.equal(app.websocketServer.clients.size, 0)
})
