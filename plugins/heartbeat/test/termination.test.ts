import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { trailOfSocket } from '@fastify-airlock/core'
import t from 'tap'
import { as, buildUnit, FakeSocket } from './helpers.js'

t.test('a connection that is silent for the timeout is terminated, and not earlier', async t => {
  const { heartbeat, watch, advance } = buildUnit(t)
  const dead = watch({ answers: false })
  const alive = watch()
  await advance(22_400)
  t.equal(dead.pings.length, 1)
  t.equal(dead.terminated, false)
  await advance(200)
  t.equal(dead.terminated, true)
  t.equal(alive.terminated, false)
  t.equal(heartbeat.terminated, 1)
  t.equal(heartbeat.size, 1)
  t.same(dead.eventNames(), [], 'nothing of it is kept')
})

t.test('everything that is received counts as an answer', async t => {
  const { watch, advance } = buildUnit(t)
  const sockets = ['message', 'ping', 'pong'].map(event => ({ event, socket: watch({ answers: false }) }))
  await advance(20_000)
  for (const { event, socket } of sockets) socket.emit(event)
  await advance(4_000)
  for (const { event, socket } of sockets) t.equal(socket.terminated, false, event)
  await advance(25_000)
  for (const { event, socket } of sockets) t.equal(socket.terminated, true, `no ${event} the next time`)
})

t.test('after a stall, what has arrived is read before anything is terminated', async t => {
  const { heartbeat, watch, clock } = buildUnit(t)
  const [late, dead, left, again] = [0, 1, 2, 3].map(() => watch({ answers: false })) as [FakeSocket, FakeSocket, FakeSocket, FakeSocket]
  clock.now = 12_500
  heartbeat.tick()
  clock.now += 60_000
  heartbeat.tick()
  // What the poll phase would do between the timer and the immediate.
  late.emit('pong')
  heartbeat.unwatch(as(left))
  heartbeat.unwatch(as(again))
  heartbeat.watch(as(again))
  await new Promise(resolve => setImmediate(resolve))
  t.same([late, dead, left, again].map(socket => socket.terminated), [false, true, false, false])
})

t.test('nothing is terminated while reading is paused', async t => {
  const { watch, advance } = buildUnit(t)
  const socket = watch({ answers: false, isPaused: true })
  await advance(100_000)
  t.equal(socket.terminated, false)
  t.ok(socket.pings.length >= 3, 'pings go on: they keep the connection open')
  socket.isPaused = false
  await advance(36_000)
  t.equal(socket.terminated, true)
})

t.test('a closing connection is left to ws', async t => {
  const { heartbeat, watch, advance } = buildUnit(t)
  const socket = watch({ answers: false })
  socket.readyState = 2
  await advance(60_000)
  t.equal(heartbeat.pings, 0)
  t.equal(socket.terminated, false)
  t.equal(heartbeat.size, 1)
  socket.emit('close')
  t.equal(heartbeat.size, 0)
})

t.test('a connection that is not open is not watched', async t => {
  const { heartbeat, clock } = buildUnit(t)
  for (const readyState of [0, 2, 3]) {
    const socket = Object.assign(new FakeSocket(clock), { readyState })
    t.equal(heartbeat.watch(as(socket)), false)
    t.same(socket.eventNames(), [])
  }
  t.equal(heartbeat.size, 0)
})

t.test('unwatch from within a listener of the same frame', async t => {
  const { heartbeat, watch } = buildUnit(t)
  const socket = watch()
  socket.prependListener('message', () => heartbeat.unwatch(as(socket)))
  socket.emit('message')
  t.equal(heartbeat.size, 0)
})

t.test('the diagnostics channel announces a termination', async t => {
  const { watch, advance } = buildUnit(t)
  const told: unknown[] = []
  const listener = (event: unknown) => { told.push(event) }
  subscribe('airlock:heartbeat:terminate', listener)
  t.teardown(() => unsubscribe('airlock:heartbeat:terminate', listener))
  const dead = watch({ answers: false })
  watch()
  await advance(25_000)
  t.equal(told.length, 1)
  t.equal((told[0] as { socket: unknown }).socket, dead)
})

t.test('1,000 connections cost one timer, which does not keep the process alive, and leave nothing', async t => {
  const active = () => process.getActiveResourcesInfo().filter(name => name === 'Timeout' || name === 'Immediate').length
  const before = active()
  const { heartbeat, watch } = buildUnit(t)
  const sockets = Array.from({ length: 1_000 }, () => watch())
  t.equal(heartbeat.size, 1_000)
  t.equal(active(), before)
  for (const socket of sockets) socket.emit('close')
  t.equal(heartbeat.size, 0)
  t.ok(sockets.every(socket => socket.eventNames().length === 0))
})

t.test('very many dead connections are terminated in slices', async t => {
  const { heartbeat, watch, clock } = buildUnit(t)
  const sockets = Array.from({ length: 100 }, () => watch({ answers: false }))
  for (const socket of sockets) {
    socket.terminate = () => {
      for (const end = performance.now() + 1; performance.now() < end;);
      socket.terminated = true
    }
  }
  clock.now = 12_500
  heartbeat.tick()
  clock.now += 10_000
  heartbeat.tick()
  await new Promise(resolve => setImmediate(resolve))
  t.ok(heartbeat.terminated > 0 && heartbeat.terminated < 50, `${heartbeat.terminated} so far`)
  // A connection that is unwatched meanwhile is left alone.
  heartbeat.unwatch(as(sockets[99] as FakeSocket))
  while (heartbeat.size > 0) await new Promise(resolve => setImmediate(resolve))
  t.equal(sockets.filter(({ terminated }) => terminated).length, 99)
})

t.test('the audit trail learns why a connection was cut', async t => {
  const { watch, advance } = buildUnit(t)
  const dead = watch({ answers: false })
  const trail = trailOfSocket(dead)
  await advance(60_000)
  t.equal(dead.terminated, true)
  t.same(trail.ending, { code: null, reason: 'no answer to a ping' })
})
