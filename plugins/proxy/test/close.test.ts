import { once } from 'node:events'
import t from 'tap'
import { WebSocket } from 'ws'
import { closingForClient, closingForUpstream } from '../src/close-codes.js'
import { build, connect, frame, tcp, until, upgrade, upstream } from './helpers.js'

t.test('close codes and reasons are carried over both ways', async t => {
  const far = await upstream(t)
  const { app, port } = await build(t, { proxy: { upstream: far.url } })
  for (const [code, reason, expected] of [
    [1000, 'done', [1000, 'done']],
    [1001, '', [1001, '']],
    [1011, 'oops', [1011, 'oops']],
    [3000, 'a library', [3000, 'a library']],
    [4999, 'ü'.repeat(61), [4999, 'ü'.repeat(61)]],
    [undefined, undefined, [1000, '']]
  ] as const) {
    const one = await connect(t, port)
    one.socket.close(code, reason)
    t.same(await (await far.next()).closed, expected, `client: ${code}`)
    const other = await connect(t, port)
    ;(await far.next()).socket.close(code, reason)
    t.same(await other.closed, expected, `upstream: ${code}`)
  }
  await until(() => app.wsProxy.open === 0)
})

t.test('codes that cannot be sent are translated', async t => {
  for (const code of [1006, 1015, 1004, 999, 2000, 2999, 5000, 0]) {
    t.same(closingForClient(code, 'x'), { code: 1014, reason: 'upstream connection lost' }, String(code))
    t.same(closingForUpstream(code, 'x'), { code: 1001, reason: 'client connection lost' }, String(code))
  }
  t.same(closingForClient(1005, ''), { code: 1000, reason: '' })
  t.same(closingForUpstream(1005, ''), { code: 1000, reason: '' })
  for (const code of [1000, 1003, 1007, 1014, 3000, 4999]) {
    t.same(closingForClient(code, 'x'), { code, reason: 'x' })
    t.same(closingForUpstream(code, 'x'), { code, reason: 'x' })
  }
})

t.test('messages that are sent right before a close arrive before it', async t => {
  const far = await upstream(t)
  const { port } = await build(t, { proxy: { upstream: far.url } })
  const near = await connect(t, port)
  const peer = await far.next()
  for (let i = 0; i < 100; i++) near.socket.send(`${i}`)
  near.socket.close(4000, 'bye')
  t.same(await peer.closed, [4000, 'bye'])
  t.equal(peer.received.length, 100)
})

t.test('a mute client is cut off, and so is a mute upstream', async t => {
  const far = await upstream(t)
  const { app, port } = await build(t, { proxy: { upstream: far.url, closeTimeout: 150 } })
  const socket = tcp(t, port, upgrade())
  await once(socket, 'data')
  const startedAt = performance.now()
  ;(await far.next()).socket.close(4000)
  socket.resume()
  await once(socket, 'end')
  t.ok(performance.now() - startedAt >= 150)

  const near = await connect(t, port)
  const mute = await far.next()
  mute.socket.pause()
  near.socket.close(4001)
  await until(() => app.wsProxy.open === 0)
  mute.socket.resume()
  t.same(await mute.closed, [4001, ''])
})

t.test('a close by the server itself is passed on to the upstream', async t => {
  const far = await upstream(t)
  const { app, port } = await build(t, { proxy: { upstream: far.url } })
  const near = await connect(t, port)
  const peer = await far.next()
  await app.close()
  t.same(await near.closed, [1012, 'service restart'])
  t.same(await peer.closed, [1012, 'service restart'])
})

t.test('a message of the upstream that is too long closes both', async t => {
  const far = await upstream(t, { onConnection: ({ socket }) => { socket.send(Buffer.alloc(1001)) } })
  const { lines, port } = await build(t, { proxy: { upstream: far.url, maxPayload: 1000 } })
  const near = await connect(t, port)
  t.same(await (await far.next()).closed, [1009, ''])
  t.same(await near.closed, [1014, 'upstream connection lost'])
  t.match(lines.join(''), 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH')
})

t.test('a message of the client that is too long closes both', async t => {
  const far = await upstream(t)
  const { port } = await build(t, { proxy: { upstream: far.url }, websocket: { maxPayload: 1000 } })
  const near = await connect(t, port)
  near.socket.send(Buffer.alloc(1001))
  t.equal((await near.closed)[0], 1009)
  t.equal((await (await far.next()).closed)[0], 1001)
})

t.test('a client that breaks the protocol closes both', async t => {
  const far = await upstream(t)
  const { port } = await build(t, { proxy: { upstream: far.url } })
  const socket = tcp(t, port, upgrade())
  await once(socket, 'data')
  socket.write(Buffer.from([0xff, 0xff, 0xff]))
  t.equal((await (await far.next()).closed)[0], 1001)
})

t.test('both sides are closed when nobody sends anything for too long', async t => {
  const far = await upstream(t)
  const { app, port } = await build(t, { proxy: { upstream: far.url, idleTimeout: 2_000 } })
  const near = await connect(t, port)
  const peer = await far.next()
  let last = 0
  for (let i = 0; i < 5; i++) {
    await new Promise(resolve => setTimeout(resolve, 500))
    t.equal(near.socket.readyState, WebSocket.OPEN)
    if (i % 2 === 0) near.socket.send('x')
    else peer.socket.send('y')
    last = performance.now()
  }
  t.same(await near.closed, [1001, 'idle timeout'])
  // The messages may have crossed a few milliseconds after they were sent.
  t.ok(performance.now() - last >= 1_999)
  t.same(await peer.closed, [1001, 'idle timeout'])
  await until(() => app.wsProxy.open === 0)
})

t.test('messages of a client are dropped after its upstream has closed', async t => {
  const far = await upstream(t)
  const { port } = await build(t, { proxy: { upstream: far.url, closeTimeout: 150 } })
  const socket = tcp(t, port, upgrade())
  await once(socket, 'data')
  ;(await far.next()).socket.close(4000)
  await once(socket, 'data')
  socket.write(frame('is anybody there?'))
  socket.resume()
  await once(socket, 'end')
  t.pass('the connection ends')
})
