import t, { type Test } from 'tap'
import { once } from 'node:events'
import type { WebSocket } from 'ws'
import { bare, build, hold, settle, sharesFrames, streamOf } from './helpers.js'

/** Collects what is written to the TCP socket from now on. */
function writes (t: Test, socket: WebSocket) {
  const stream = streamOf(socket)
  return t.capture(stream, 'write', stream.write)
}

t.test('the messages of one turn are written once, from one buffer for all', async t => {
  const { hub, pair } = await build(t)
  const alice = await pair('/ws?subject=alice')
  const bob = await pair('/ws?subject=bob')
  const carol = await pair('/ws?subject=carol')
  hub.join(carol.socket, 'carol only')
  const [toAlice, toBob, toCarol] = [alice, bob, carol].map(({ socket }) => writes(t, socket))
  const expected: string[] = []
  for (let number = 0; number < 10; number++) {
    hub.broadcast(`message ${number}`)
    expected.push(`message ${number}`)
    if (number === 4) hub.publish('carol only', 'psst')
  }
  if (sharesFrames) t.equal(toAlice?.().length, 0, 'nothing before the end of the turn')
  await settle(alice.client, bob.client, carol.client)
  const [first] = toAlice?.() ?? []
  const [second] = toBob?.() ?? []
  if (sharesFrames) {
    t.equal((first?.args[0] as Buffer | undefined)?.length, 10 * (2 + 9))
    t.equal(first?.args[0], second?.args[0], 'the same buffer')
    t.equal((toCarol?.()[0]?.args[0] as Buffer | undefined)?.length, 10 * (2 + 9) + 6)
  }
  t.strictSame(alice.messages, expected)
  t.strictSame(bob.messages, expected)
  t.strictSame(carol.messages, expected.toSpliced(5, 0, 'psst'))
})

t.test('each turn is written on its own', async t => {
  const { hub, pair } = await build(t)
  const { client, socket, messages } = await pair()
  const written = writes(t, socket)
  for (const text of ['one', 'two']) {
    hub.broadcast(text)
    await new Promise(resolve => setImmediate(resolve))
  }
  if (sharesFrames) t.equal(written().length, 2)
  await settle(client)
  t.strictSame(messages, ['one', 'two'])
})

t.test('what the application sends itself keeps its place in the order', async t => {
  const { hub, port, next } = await build(t)
  const viaHub = bare(t, port, '/ws?subject=alice')
  const hubSocket = await next()
  const viaWs = bare(t, port, '/stranger')
  const wsSocket = await next()
  const big = Buffer.alloc(100_000, 'big ')
  const steps: Array<(socket: WebSocket, send: (data: string | Buffer) => unknown) => unknown> = [
    (_, send) => send('one'),
    (_, send) => send(''),
    socket => socket.send('directly'),
    (_, send) => send('two'),
    socket => socket.ping('ping'),
    (_, send) => send(big),
    (_, send) => send('three'),
    socket => socket.send(big),
    (_, send) => send(Buffer.from('four')),
    (_, send) => send('x'.repeat(70_000)),
    socket => socket.pong(),
    (_, send) => send('five'),
    socket => socket.close(1000, 'done'),
    socket => socket.ping('after the end', undefined, () => {})
  ]
  const closed = [viaHub, viaWs].map(peer => peer.closed(0x88, 6, 0x03, 0xe8, 'done'))
  for (const step of steps) {
    step(hubSocket, data => hub.broadcast(data))
    step(wsSocket, data => wsSocket.send(data))
  }
  t.equal(hub.broadcast('too late'), 0)
  await Promise.all(closed)
  t.ok(viaHub.frames().equals(viaWs.frames()), 'the same bytes')
})

t.test('small frames are joined, up to a limit', async t => {
  const { hub, pair } = await build(t)
  const { client, socket, messages } = await pair()
  const written = writes(t, socket)
  const texts = ['x'.repeat(5_000), 'y'.repeat(5_000), 'z'.repeat(50_000), 'a', 'b']
  for (const text of [...texts, ...texts]) hub.broadcast(text)
  if (sharesFrames) t.equal(written().length, 0, 'publishing does not write')
  await settle(client)
  if (sharesFrames) {
    t.strictSame(written().slice(0, 4).map(({ args: [data] }) => (data as Buffer).length), [
      2 * (4 + 5_000), 4 + 50_000, 2 * 3 + 2 * (4 + 5_000), 4 + 50_000
    ])
  }
  t.strictSame(messages, [...texts, ...texts])
})

t.test('bufferedAmount counts what waits for the end of the turn', async t => {
  const { hub, pair } = await build(t)
  const { client, socket } = await pair()
  if (!sharesFrames) hold(socket)
  hub.broadcast('12345')
  hub.broadcast('12345')
  t.equal(socket.bufferedAmount, 2 * 7)
  if (!sharesFrames) streamOf(socket).uncork()
  await settle(client)
  t.equal(socket.bufferedAmount, 0)
})

t.test('a peer that leaves before the end of the turn causes no error', async t => {
  const { hub, pair } = await build(t)
  const { socket } = await pair()
  const errors: unknown[] = []
  socket.on('error', error => { errors.push(error) })
  const closed = once(socket, 'close')
  hub.broadcast('lost')
  streamOf(socket).emit('end')
  t.equal(hub.broadcast('too late'), 0)
  await closed
  t.strictSame(errors, [])
  t.equal(hub.count(), 0)
})

t.test('where other code has wrapped the sender of ws, the hub uses send', async t => {
  const { hub, pair } = await build(t)
  const { client, socket, messages } = await pair('/stranger')
  const { _sender } = socket as unknown as { _sender: { sendFrame: (...args: unknown[]) => void } }
  const { sendFrame } = _sender
  let seen = 0
  _sender.sendFrame = function (...args) {
    seen++
    Reflect.apply(sendFrame, this, args)
  }
  hub.add(socket, { subject: 'alice' })
  t.equal(hub.broadcast('hello'), 1)
  t.equal(seen, 1)
  await settle(client)
  t.strictSame(messages, ['hello'])
})

t.test('the hub uses send as well when that happens after the connection was added', async t => {
  const { hub, pair } = await build(t)
  const { client, socket, messages } = await pair()
  const { _sender } = socket as unknown as { _sender: { sendFrame: (...args: unknown[]) => void } }
  const seen = t.capture(_sender, 'sendFrame', _sender.sendFrame)
  t.equal(hub.broadcast('hello'), 1)
  t.equal(seen().length, 1)
  await settle(client)
  t.strictSame(messages, ['hello'])
})
