// Takes long: it sends megabytes, and waits for moments of the closing handshake.
// A close frame is answered when the other side has taken everything: 1000 says that it has.
import { usesPublicWay } from '@fastify-airlock/core'
import { channel } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { WebSocket } from 'ws'
import { build, client, connect, deferred, type Peer, tcp, until, upgrade, upstream } from './helpers.js'

const MIB = 1024 * 1024
/** Everything that is sent is taken, so that a close frame is read at once. */
const wide = { highWaterMark: 64 * MIB }

const flood = ({ socket }: Peer): void => { for (let i = 0; i < 32; i++) socket.send(Buffer.alloc(MIB)) }

const isClosed = ({ socket }: Peer): boolean => socket.readyState === socket.CLOSED

/** Waits until a pipe has begun to end. */
async function ends (): Promise<void> {
  const close = channel('airlock:proxy:close')
  await new Promise<void>(resolve => {
    const listener = (): void => {
      close.unsubscribe(listener)
      resolve()
    }
    close.subscribe(listener)
  })
}

/** ws does not show it. */
const hasClosed = ({ socket }: Peer) => (socket as unknown as { _closeFrameReceived: boolean })._closeFrameReceived

const maxPayload = 2 * MIB
const skip = usesPublicWay() && 'ws answers at once, and nobody can tell'

t.test('a client is answered when the upstream has taken everything', { skip }, async t => {
  const far = await upstream(t, { onConnection: ({ socket }) => { socket.pause() } })
  const { port } = await build(t, { proxy: { upstream: far.url, ...wide, closeTimeout: 50 }, websocket: { maxPayload } })
  const near = await connect(t, port)
  const peer = await far.next()
  flood(near)
  near.socket.close(1000, 'done')
  await until(() => near.socket.bufferedAmount === 0)
  await sleep(200)
  t.notOk(isClosed(near))
  peer.socket.resume()
  t.same(await peer.closed, [1000, 'done'])
  t.equal(peer.received.length, 32)
  t.same(await near.closed, [1000, 'done'])
})

t.test('an upstream is answered when the client has taken everything', { skip }, async t => {
  const far = await upstream(t)
  const { port } = await build(t, { proxy: { upstream: far.url, ...wide, maxPayload, closeTimeout: 50 } })
  const near = await connect(t, port)
  near.socket.pause()
  const peer = await far.next()
  flood(peer)
  peer.socket.close(1000, 'done')
  await until(() => peer.socket.bufferedAmount === 0)
  await sleep(200)
  t.notOk(hasClosed(peer))
  near.socket.resume()
  t.same(await near.closed, [1000, 'done'])
  t.equal(near.received.length, 32)
  t.same(await peer.closed, [1000, 'done'])
})

t.test('a side that is lost before its answer is reported', { skip }, async t => {
  const far = await upstream(t)
  const { port } = await build(t, { proxy: { upstream: far.url } })
  for (const loser of ['upstream', 'client']) {
    const near = await connect(t, port)
    const peer = await far.next()
    const [asks, goes] = loser === 'upstream' ? [near, peer] : [peer, near]
    goes.socket.pause()
    asks.socket.close(1000)
    await until(() => asks.socket.bufferedAmount === 0)
    goes.socket.terminate()
    t.same(await asks.closed, loser === 'upstream' ? [1014, 'upstream connection lost'] : [1001, 'client connection lost'])
  }
})

t.test('a side that closes by itself while it is closed has not taken what is still to come', { skip }, async t => {
  for (const [asks, code, expected] of [
    ['client', 1000, [1014, 'upstream closed early']], ['client', 4001, [4001, 'no']],
    ['upstream', 1000, [1001, 'client closed early']], ['upstream', 4001, [4001, 'no']]
  ] as const) {
    const far = await upstream(t)
    const { app, port } = await build(t, { proxy: { upstream: far.url, ...wide, maxPayload }, websocket: { maxPayload } })
    const near = await connect(t, port)
    const peer = await far.next()
    const [first, second] = asks === 'client' ? [near, peer] : [peer, near]
    second.socket.pause()
    flood(first)
    const ended = ends()
    first.socket.close(1000)
    await ended
    second.socket.close(code, 'no')
    await until(() => second.socket.bufferedAmount === 0)
    await sleep(50)
    second.socket.terminate()
    t.same(await first.closed, expected)
    await until(() => app.wsProxy.open === 0)
  }
})

t.test('both close while something waits for the first: it is not told that it arrived', { skip }, async t => {
  for (const [asks, code, expected] of [
    ['upstream', 1000, [1014, 'upstream closed early']], ['upstream', 4001, [4001, 'no']],
    ['client', 1000, [1001, 'client closed early']], ['client', 4001, [4001, 'no']]
  ] as const) {
    const far = await upstream(t)
    const { app, port } = await build(t, { proxy: { upstream: far.url, ...wide, maxPayload, closeTimeout: 500 }, websocket: { maxPayload } })
    const near = await connect(t, port)
    const peer = await far.next()
    const [first, second] = asks === 'client' ? [near, peer] : [peer, near]
    first.socket.pause()
    flood(second)
    await until(() => second.socket.bufferedAmount === 0)
    const ended = ends()
    first.socket.close(code, 'no')
    await ended
    second.socket.close(1000, 'mine')
    t.same(await second.closed, expected)
    first.socket.terminate()
    await until(() => app.wsProxy.open === 0)
  }
})

t.test('a side that is gone has no moment', { skip }, async t => {
  const far = await upstream(t)
  const { port } = await build(t, { proxy: { upstream: far.url, ...wide, closeTimeout: 60_000 }, websocket: { maxPayload } })
  const near = await connect(t, port)
  const peer = await far.next()
  peer.socket.pause()
  flood(near)
  await until(() => near.socket.bufferedAmount === 0)
  const ended = ends()
  peer.socket.close(1000)
  await ended
  peer.socket.terminate()
  t.same(await near.closed, [1014, 'upstream closed early'])
})

t.test('what waits for a side that asks for the end has a moment to go out', { skip }, async t => {
  for (const reads of [true, false]) {
    const far = await upstream(t)
    const { port } = await build(t, { proxy: { upstream: far.url, ...wide, maxPayload, closeTimeout: reads ? 60_000 : 150 } })
    const near = await connect(t, port)
    near.socket.pause()
    const peer = await far.next()
    flood(peer)
    await until(() => peer.socket.bufferedAmount === 0)
    near.socket.close(1000, 'enough')
    await sleep(50)
    if (reads) near.socket.resume()
    t.same(await peer.closed, reads ? [1000, 'enough'] : [1001, 'client closed early'])
    if (reads) t.same(await near.closed, [1000, 'enough'])
  }
})

t.test('a client that closes before there is an upstream is told whether it had sent anything', { skip }, async t => {
  for (const [message, code, expected] of [
    [undefined, 1000, [1000, 'bye']], ['lost', 1000, [1014, 'upstream closed early']], ['lost', 4000, [4000, 'bye']]
  ] as const) {
    const admitted = deferred<number>()
    const far = await upstream(t, { admit: () => admitted.promise })
    const { app, port } = await build(t, {
      proxy: { upstream: far.url, dial: 'authenticated' },
      routes: app => { app.get('/ws', { websocket: true }, app.wsProxy()) }
    })
    const near = await connect(t, port)
    await far.requested()
    if (message !== undefined) near.socket.send(message)
    near.socket.close(code, 'bye')
    t.same(await near.closed, expected)
    await until(() => app.wsProxy.dialling === 0)
    admitted.resolve(503)
  }
})

t.test('an upstream that closes before the handler runs is answered by the client', { skip }, async t => {
  const hook = deferred()
  const far = await upstream(t, { onConnection: ({ socket }) => { socket.send('last words') } })
  const { app, port } = await build(t, { proxy: { upstream: far.url }, after: [async () => { await hook.promise }] })
  const near = client(t, port)
  const peer = await far.next()
  await until(() => app.wsProxy.open === 1)
  peer.socket.close(4000, 'over')
  await sleep(50)
  hook.resolve()
  t.same(await near.closed, [4000, 'over'])
  t.equal(await near.text(), 'last words')
  t.same(await peer.closed, [4000, 'over'])
})

t.test('a client that the server refuses has no upstream from then on, though it may never answer', async t => {
  const far = await upstream(t)
  const sockets: WebSocket[] = []
  const { app, port } = await build(t, {
    proxy: { upstream: far.url, closeTimeout: 60_000 },
    websocket: { closeTimeout: 60_000 },
    routes: app => {
      const proxy = app.wsProxy()
      app.get('/ws', { websocket: true, preValidation: proxy.dial }, (socket, request) => {
        sockets.push(socket)
        return proxy(socket, request)
      })
    }
  })
  const mute = tcp(t, port, upgrade())
  await once(mute, 'data')
  const peer = await far.next()
  sockets[0]?.close(4403, 'revoked')
  t.same(await peer.closed, [4403, 'revoked'])
  await until(() => app.wsProxy.open === 0)
  t.equal(sockets[0]?.readyState, 2)
  sockets[0]?.terminate()
})

t.test('a server that closes waits for no upstream', async t => {
  const far = await upstream(t, { onConnection: ({ socket }) => { socket.pause() } })
  const { app, port } = await build(t, { proxy: { upstream: far.url, ...wide }, websocket: { maxPayload } })
  const near = await connect(t, port)
  const peer = await far.next()
  flood(near)
  await until(() => near.socket.bufferedAmount === 0)
  near.socket.terminate()
  await until(() => app.websocketServer.clients.size === 0)
  await app.close()
  await until(() => app.wsProxy.open === 0)
  peer.socket.terminate()
})
