import t from 'tap'
import { EventEmitter } from 'node:events'
import { SocketExpiry, takeOverExpiry } from '../src/index.js'

class FakeSocket extends EventEmitter {
  readonly closes: unknown[] = []

  close (code?: number, reason?: string): void {
    this.closes.push([code, reason])
  }

  terminate (): void {}
}

function start () {
  const clock = { now: 0 }
  const now = (): number => clock.now
  const expired: string[] = []
  const expiry = new SocketExpiry({ wall: () => clock.now + 1e12, now, onExpired: (_socket, { subject }) => { expired.push(subject) } })
  const connect = (life: number | null) => {
    const socket = new FakeSocket()
    const identity = { subject: 'alice', expiresAt: life === null ? null : 1e12 + life as number | null }
    expiry.watch(socket, identity)
    socket.on('message', () => {})
    return { socket, identity }
  }
  const advance = (to: number): void => {
    clock.now = to
    expiry.tick()
  }
  return { expiry, expired, connect, advance }
}

t.test('a socket is closed with 4401 when its identity expires', async t => {
  const { expiry, expired, connect, advance } = start()
  const { socket } = connect(1_000)
  advance(999)
  t.strictSame(socket.closes, [])
  advance(1_100)
  t.strictSame(socket.closes, [[4401, 'token expired']])
  t.equal(socket.listenerCount('message'), 0, 'nothing that the peer still sends is heard')
  t.equal(socket.listenerCount('close'), 0)
  t.strictSame(expired, ['alice'])
  t.equal(expiry.size, 0)
})

t.test('what expires later by then is closed later, and what does not any more is not', async t => {
  const { expiry, connect, advance } = start()
  const later = connect(1_000)
  const never = connect(1_000)
  later.identity.expiresAt = 1e12 + 5_000
  never.identity.expiresAt = null
  advance(1_100)
  t.equal(expiry.size, 1)
  advance(5_100)
  t.strictSame(later.socket.closes, [[4401, 'token expired']])
  t.strictSame(never.socket.closes, [])
})

t.test('without an expiry nothing is kept', async t => {
  const { expiry, connect } = start()
  const { socket } = connect(null)
  t.equal(expiry.size, 0)
  t.equal(socket.listenerCount('close'), 0)
  t.strictSame(Object.getOwnPropertySymbols(socket), Object.getOwnPropertySymbols(Object.assign(new FakeSocket(), { x: 1 }).on('message', () => {})))
})

t.test('a takeover and a socket that closes end the watch', async t => {
  const { expiry, connect, advance } = start()
  const taken = connect(1_000)
  const closed = connect(1_000)
  const watchedTwice = connect(1_000)
  expiry.watch(watchedTwice.socket, watchedTwice.identity)
  t.equal(expiry.size, 3)
  takeOverExpiry(taken.socket)
  takeOverExpiry(taken.socket)
  closed.socket.emit('close')
  t.equal(expiry.size, 1)
  expiry.close()
  t.equal(watchedTwice.socket.listenerCount('close'), 0)
  advance(2_000)
  for (const { socket } of [taken, closed, watchedTwice]) t.strictSame(socket.closes, [])
})

t.test('by the real clocks', async t => {
  const expiry = new SocketExpiry()
  t.teardown(() => expiry.close())
  const socket = new FakeSocket()
  expiry.watch(socket, { subject: 'alice', expiresAt: Date.now() - 1 })
  const alive = setInterval(() => {}, 1_000)
  while (socket.closes.length === 0) await new Promise(resolve => setTimeout(resolve, 10))
  clearInterval(alive)
  t.strictSame(socket.closes, [[4401, 'token expired']])
})
