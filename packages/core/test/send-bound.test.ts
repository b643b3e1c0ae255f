import { EventEmitter, once } from 'node:events'
import { type AddressInfo, Socket } from 'node:net'
import t, { type Test } from 'tap'
import { type WebSocket, WebSocketServer } from 'ws'
import { LARGE_QUEUE_BYTES, SendBound, trailOfSocket, usesPublicWay, watchWrites } from '../src/index.js'
import { connect } from './helpers.js'

const OPEN = 1
const CLOSING = 2
const MINUTE = 60_000

class FakeSocket extends EventEmitter {
  bufferedAmount = 0
  readyState = OPEN
  terminated = 0

  terminate (): void {
    this.readyState = CLOSING
    this.terminated++
  }
}

/** A bound on a clock that only `advance` moves, and what it cut. */
function build (t: Test, { maxSocketBytes = 32 * 1024 * 1024, stallTimeout = MINUTE, transport = undefined as Socket | undefined } = {}) {
  const clock = { now: 0 }
  const cuts: Array<[string, number, number]> = []
  const bound = new SendBound<FakeSocket>({
    maxSocketBytes, stallTimeout, now: () => clock.now, transportOf: () => transport, onCut: (_socket, reason, bytes) => { cuts.push([reason, bytes, clock.now]) }
  })
  t.teardown(() => bound.close())
  const advance = (duration: number, each = (): void => {}, step = 100): void => {
    for (const end = clock.now + duration; clock.now < end;) {
      clock.now += step
      each()
      bound.tick()
    }
  }
  const send = (socket: FakeSocket, bytes: number): void => {
    socket.bufferedAmount += bytes
    bound.check(socket)
  }
  return { bound, cuts, clock, advance, send }
}

t.test('what is more than may wait is cut at once', async t => {
  const { bound, cuts, send } = build(t, { maxSocketBytes: 3_000_000 })
  const socket = new FakeSocket()
  const { ending } = trailOfSocket(socket)
  t.equal(ending, null)
  send(socket, 3_000_000)
  t.same(cuts, [])
  send(socket, 1)
  t.same(cuts, [['full', 3_000_001, 0]])
  t.equal(socket.terminated, 1)
  send(socket, 1)
  t.equal(socket.terminated, 1, 'once')
  t.equal(bound.size, 0)
  t.equal(socket.listenerCount('close'), 1, 'that of the audit trail')
  t.same(trailOfSocket(socket).ending, { code: null, reason: 'full' }, 'which learns why')
})

t.test('a limit below 1 MiB holds, and no limit is none', async t => {
  const small = build(t, { maxSocketBytes: 1_000 })
  const one = new FakeSocket()
  small.send(one, 1_001)
  t.same(small.cuts, [['full', 1_001, 0]])

  const none = build(t, { maxSocketBytes: Infinity })
  none.send(new FakeSocket(), Number.MAX_SAFE_INTEGER)
  t.same(none.cuts, [])
  t.equal(none.bound.size, 1)

  const patient = build(t, { stallTimeout: Infinity })
  const two = new FakeSocket()
  patient.send(two, 2 * LARGE_QUEUE_BYTES)
  t.equal(patient.bound.size, 0, 'nothing is looked after')
})

t.test('nothing but a large queue is looked after', async t => {
  const { bound, cuts, advance, send } = build(t)
  const socket = new FakeSocket()
  send(socket, LARGE_QUEUE_BYTES)
  t.equal(bound.size, 0)
  advance(10 * MINUTE)
  t.same(cuts, [])
  send(socket, 1)
  t.equal(bound.size, 1)
})

t.test('a peer that takes nothing is cut after the time, and never before', async t => {
  for (const stallTimeout of [1, 50, 1_000, MINUTE]) {
    const { cuts, advance, send } = build(t, { stallTimeout })
    const socket = new FakeSocket()
    send(socket, 2 * LARGE_QUEUE_BYTES)
    advance(stallTimeout * 2, undefined, Math.ceil(stallTimeout / 600))
    t.match(cuts, [['stalled', 2 * LARGE_QUEUE_BYTES, Number]])
    const [[,, at]] = cuts as [[string, number, number]]
    t.ok(at >= stallTimeout && at <= stallTimeout * 9 / 8 + 101, `${at} ms of ${stallTimeout}`)
  }
})

t.test('what is sent meanwhile is no progress', async t => {
  const { cuts, advance, send } = build(t)
  const socket = new FakeSocket()
  send(socket, 2 * LARGE_QUEUE_BYTES)
  advance(2 * MINUTE, () => { if (cuts.length === 0) send(socket, 1_000) })
  t.equal(cuts[0]?.[0], 'stalled')
})

t.test('a peer that takes some of it lives, until nothing waits any more', async t => {
  const { bound, cuts, advance, send } = build(t)
  const socket = new FakeSocket()
  send(socket, 2 * LARGE_QUEUE_BYTES)
  for (let index = 0; index < 10; index++) {
    socket.bufferedAmount -= 1
    advance(MINUTE * 7 / 8)
  }
  t.same(cuts, [])
  socket.bufferedAmount = 10
  advance(MINUTE * 7 / 8)
  t.equal(bound.size, 1, 'however little waits')
  socket.bufferedAmount = 0
  advance(MINUTE)
  t.equal(bound.size, 0)
  t.equal(socket.listenerCount('close'), 0)
  send(socket, 2 * LARGE_QUEUE_BYTES)
  t.equal(bound.size, 1, 'and again')
  socket.bufferedAmount = 7
  advance(2 * MINUTE)
  t.match(cuts, [['stalled', 7, Number]], 'it has had more than 1 MiB')
})

t.test('a write that goes on is progress, though the queue grows', async t => {
  const state = { bytesWritten: 0, writableLength: 0, taken: 0 }
  const transport = Object.defineProperties(new Socket(), {
    bytesWritten: { get: () => state.bytesWritten },
    writableLength: { get: () => state.writableLength },
    _handle: { get: () => ({ bytesWritten: state.bytesWritten, writeQueueSize: state.bytesWritten - state.taken }) }
  })
  const { cuts, advance, send } = build(t, { transport })
  const socket = new FakeSocket()
  const more = (bytes: number): void => {
    state.bytesWritten += bytes
    state.writableLength += bytes
    send(socket, bytes)
  }
  more(2 * LARGE_QUEUE_BYTES)
  for (let index = 0; index < 10; index++) {
    // Part of a write: the private members tell. All of it: everybody does.
    state.taken += 1_000
    if (usesPublicWay()) state.writableLength -= 1_000
    more(1_000)
    advance(MINUTE * 7 / 8)
  }
  t.same(cuts, [])
  advance(MINUTE * 2)
  t.equal(cuts.length, 1)
})

t.test('a stall of the process is not the peer\'s', async t => {
  const { cuts, clock, bound, send } = build(t)
  const socket = new FakeSocket()
  send(socket, 2 * LARGE_QUEUE_BYTES)
  for (let index = 0; index < 3; index++) {
    clock.now += 10 * MINUTE
    bound.tick()
  }
  t.same(cuts, [], 'three times ten minutes without a look between')
})

t.test('a socket that is closing is left to who closes it, and one that has closed is forgotten', async t => {
  const { bound, cuts, advance, send } = build(t)
  const closing = new FakeSocket()
  const closed = new FakeSocket()
  send(closing, 2 * LARGE_QUEUE_BYTES)
  send(closed, 2 * LARGE_QUEUE_BYTES)
  t.equal(bound.size, 2)
  closing.readyState = CLOSING
  closed.emit('close')
  t.equal(bound.size, 1)
  closed.emit('close')
  advance(2 * MINUTE)
  t.equal(bound.size, 0)
  closing.bufferedAmount = 0
  send(closing, 64 * 1024 * 1024)
  t.same(cuts, [])
})

t.test('after close() nothing is looked after', async t => {
  const { bound, cuts, advance, send } = build(t)
  const socket = new FakeSocket()
  send(socket, 2 * LARGE_QUEUE_BYTES)
  bound.close()
  t.equal(bound.size, 0)
  t.equal(socket.listenerCount('close'), 0)
  advance(2 * MINUTE)
  t.same(cuts, [])
})

t.test('a socket of a server, by its own clock', async t => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false })
  t.teardown(() => {
    for (const client of server.clients) client.terminate()
    server.close()
  })
  const cuts: unknown[] = []
  const bound = new SendBound<WebSocket>({ maxSocketBytes: Infinity, stallTimeout: 200, onCut: (_socket, reason) => { cuts.push(reason) } })
  watchWrites(server, socket => { bound.check(socket) }, { warn: line => { throw new Error(line) } })
  await once(server, 'listening')
  const client = connect(t, (server.address() as AddressInfo).port)
  client.on('error', () => {})
  const [socket] = await once(server, 'connection') as [WebSocket]
  if (client.readyState === client.CONNECTING) await once(client, 'open')
  client.pause()
  const closed = once(socket, 'close')
  socket.send(Buffer.alloc(16 * 1024 * 1024))
  t.equal((await closed)[0], 1006)
  t.same(cuts, ['stalled'])
  t.equal(bound.size, 0)
})
