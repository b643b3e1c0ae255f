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

/** Waits until nothing leaves a flooded socket any more; what is left in it has not been read by anybody. */
async function stalled (socket: WebSocket): Promise<number> {
  let before = -1
  // Turns of the event loop, and not time alone: in a process that got no time to run, nothing leaves either.
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

t.test('a fast upstream and a browser that does not read', async t => {
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

t.test('a fast upstream and a browser that reads slowly lose nothing', async t => {
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

t.test('a fast client and an upstream that does not read', async t => {
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
  // Its own end of the flood is still to be sent, so the close frame is not seen.
  await peer.closed
  await until(async () => await openConnections(app.server) === 0)
})

t.test('an upstream that does not read is cut off in the end', async t => {
  const far = await upstream(t, { onConnection: ({ socket }) => { socket.pause() } })
  const { app, port } = await build(t, { proxy: { upstream: far.url, drainTimeout: 300 } })
  const near = await connect(t, port)
  flood(near.socket)
  const [code] = await near.closed
  t.ok(code === 1014 || code === 1006, 'the close frame, unless the flood was in its way')
  t.equal(app.wsProxy.open, 0)
})

t.test('a client that resets while it is not read, for the sake of its upstream, is noticed in the end', async t => {
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
