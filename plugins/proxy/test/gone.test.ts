import { once } from 'node:events'
import type { Socket } from 'node:net'
import t from 'tap'
import type { WebSocket } from 'ws'
import { build, client, connect, deferred, openConnections, silence, tcp, until, upgrade, upstream } from './helpers.js'

t.test('the dial ends when the client resets', async t => {
  const { url, sockets } = await silence(t)
  const { app, lines, port } = await build(t, { proxy: { upstream: url, dialTimeout: 60_000 } })
  const socket = tcp(t, port, upgrade())
  await until(() => sockets.size === 1)
  socket.resetAndDestroy()
  await until(() => sockets.size === 0)
  t.equal(app.wsProxy.dialling, 0)
  await until(() => lines.join('').includes('WSA_PROXY_ERR_CLIENT_GONE'))
  t.equal(await openConnections(app.server), 0)
})

t.test('the dial ends when the client resets while headers() is pending', async t => {
  const asked = deferred()
  const answer = deferred<object>()
  const far = await upstream(t)
  const { app, port } = await build(t, {
    proxy: { upstream: far.url, headers: async () => { asked.resolve(); return await answer.promise as {} } }
  })
  const socket = tcp(t, port, upgrade())
  await asked.promise
  socket.resetAndDestroy()
  await until(() => app.wsProxy.dialling === 0)
  answer.resolve({})
  await new Promise(resolve => setImmediate(resolve))
  t.equal(far.transports.size, 0)
})

for (const [how, leave] of [
  ['resets', (socket: ReturnType<typeof tcp>) => { socket.resetAndDestroy() }],
  ['leaves', (socket: ReturnType<typeof tcp>) => { socket.destroy() }]
] as const) {
  t.test(`a client that ${how} between the dial and the handler closes the upstream`, async t => {
    const hook = deferred()
    const entered = deferred()
    const far = await upstream(t)
    const { app, port } = await build(t, {
      proxy: { upstream: far.url },
      after: [async () => { entered.resolve(); await hook.promise }]
    })
    const socket = tcp(t, port, upgrade())
    const { closed } = await far.next()
    await entered.promise
    t.equal(app.wsProxy.open, 1)
    leave(socket)
    // A reset is noticed at once. A FIN is noticed after the hooks, since nothing reads before.
    if (how === 'leaves') hook.resolve()
    t.same(await closed, [1001, 'client connection lost'])
    hook.resolve()
    await until(() => app.wsProxy.open === 0)
    await until(async () => await openConnections(app.server) === 0)
    await until(() => far.transports.size === 0)
  })

  t.test(`a client that ${how} while messages flow closes the upstream`, async t => {
    const far = await upstream(t, { onConnection: ({ socket }) => { socket.send('x') } })
    const { app, port } = await build(t, { proxy: { upstream: far.url } })
    const socket = tcp(t, port, upgrade())
    await once(socket, 'data')
    leave(socket)
    t.same(await (await far.next()).closed, [1001, 'client connection lost'])
    await until(() => app.wsProxy.open === 0)
  })
}

t.test('the client is told at once that the upstream has reset between the dial and the handler', async t => {
  const hook = deferred()
  const far = await upstream(t, { onConnection: ({ socket }) => { socket.send('last words') } })
  const { app, port } = await build(t, { proxy: { upstream: far.url }, after: [async () => { await hook.promise }] })
  const near = client(t, port)
  await far.next()
  await until(() => app.wsProxy.open === 1)
  for (const socket of far.transports) socket.resetAndDestroy()
  await until(() => far.transports.size === 0)
  hook.resolve()
  t.same(await near.closed, [1014, 'upstream connection lost'])
  await until(() => app.wsProxy.open === 0)
})

t.test('an upstream and then a client are lost before the handler runs', async t => {
  const hook = deferred()
  const far = await upstream(t)
  const { app, port } = await build(t, { proxy: { upstream: far.url }, after: [async () => { await hook.promise }] })
  const socket = tcp(t, port, upgrade())
  await far.next()
  await until(() => app.wsProxy.open === 1)
  for (const transport of far.transports) transport.resetAndDestroy()
  await until(() => far.transports.size === 0)
  socket.resetAndDestroy()
  await until(async () => await openConnections(app.server) === 0)
  hook.resolve()
  await until(() => app.wsProxy.open === 0)
})

t.test('an upstream that resets while messages flow closes the client', async t => {
  const far = await upstream(t)
  const { app, lines, port } = await build(t, { proxy: { upstream: far.url } })
  const near = await connect(t, port)
  await far.next()
  for (const socket of far.transports) socket.resetAndDestroy()
  t.same(await near.closed, [1014, 'upstream connection lost'])
  await until(() => app.wsProxy.open === 0)
  t.notMatch(lines.join(''), '"level":50')
})

/** No test waits for it: what it would end is ended by something else, or the test fails. */
const LONG = 3_600_000

/** More than the buffers of two kernels take, twice. */
function flood (send: (data: Buffer) => void): void {
  for (let i = 0; i < 80; i++) send(Buffer.alloc(512 * 1024))
}

t.test('an upstream that sends FIN and stops reading is cut, whatever drainTimeout is', async t => {
  const far = await upstream(t)
  // At the low mark the client is not read any more; the high one is never reached, and no other deadline runs.
  for (const highWaterMark of [1024 * 1024, 1024 * 1024 * 1024]) {
    const { app, port } = await build(t, {
      proxy: { upstream: far.url, drainTimeout: LONG, flushTimeout: LONG, closeTimeout: 100, highWaterMark }, websocket: { maxPayload: 1024 * 1024 }
    })
    const near = await connect(t, port)
    const peer = await far.next()
    const [transport] = far.transports as unknown as [Socket]
    const [client] = app.websocketServer.clients as unknown as [WebSocket]
    peer.socket.pause()
    flood(data => near.socket.send(data))
    await until(() => client.isPaused || near.socket.bufferedAmount === 0)
    transport.end()
    t.same(await near.closed, [1014, 'upstream connection lost'])
    await until(() => app.wsProxy.open === 0)
    transport.destroy()
    await until(() => far.transports.size === 0)
  }
})

t.test('an upstream that has sent FIN and still reads gets everything', async t => {
  const far = await upstream(t)
  const { app, port } = await build(t, { proxy: { upstream: far.url, drainTimeout: LONG, flushTimeout: LONG, closeTimeout: 100 } })
  const near = await connect(t, port)
  await far.next()
  const [transport] = far.transports as unknown as [Socket]
  for (let i = 0; i < 40; i++) near.socket.send(Buffer.alloc(60 * 1024))
  transport.end()
  t.same(await near.closed, [1014, 'upstream connection lost'])
  await until(() => app.wsProxy.open === 0)
})

t.test('a client that sends FIN and stops reading is cut, whatever drainTimeout is', async t => {
  const far = await upstream(t)
  const { app, port } = await build(t, { proxy: { upstream: far.url, drainTimeout: LONG, flushTimeout: LONG, closeTimeout: 100 } })
  const socket = tcp(t, port, upgrade())
  const peer = await far.next()
  await until(() => app.websocketServer.clients.size === 1)
  const [client] = app.websocketServer.clients as unknown as [WebSocket]
  flood(data => peer.socket.send(data))
  await until(() => client.bufferedAmount > 1024 * 1024)
  socket.end()
  t.same(await peer.closed, [1001, 'client connection lost'])
  await until(() => app.wsProxy.open === 0)
})

t.test('many come and go, and nothing is left on either side', async t => {
  const far = await upstream(t)
  const { app, port } = await build(t, { proxy: { upstream: far.url } })
  const peers = await Promise.all(Array.from({ length: 50 }, async () => await connect(t, port)))
  t.equal(app.wsProxy.open, 50)
  peers.forEach(({ socket }, i) => i % 2 === 0 ? socket.close(1000) : socket.terminate())
  await until(() => app.wsProxy.open === 0 && far.transports.size === 0)
  await until(async () => await openConnections(app.server) === 0)
  t.equal(app.wsProxy.dialling, 0)
})
