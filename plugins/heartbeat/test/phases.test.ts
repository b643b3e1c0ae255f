import t from 'tap'
import { buildUnit, type FakeSocket } from './helpers.js'

/** How many pings the busiest tick of [from, to) had. */
function busiest (sockets: FakeSocket[], from: number, to: number): number {
  const perTick = new Map<number, number>()
  for (const ping of sockets.flatMap(socket => socket.pings)) {
    if (ping >= from && ping < to) perTick.set(ping, (perTick.get(ping) ?? 0) + 1)
  }
  return Math.max(0, ...perTick.values())
}

t.test('5,000 connections that come at once are not pinged at once', async t => {
  let seed = 1
  const random = () => (seed = seed * 48_271 % 2_147_483_647) / 2_147_483_647
  const { heartbeat, watch, advance, clock } = buildUnit(t, { random })
  const sockets = Array.from({ length: 5_000 }, () => watch())

  await advance(12_400)
  t.equal(heartbeat.pings, 0, 'a new connection is not pinged for half an interval')
  await advance(12_700)
  t.equal(heartbeat.pings, 5_000, 'all were pinged within the first interval')
  // 40 is the average of the 125 ticks.
  t.ok(busiest(sockets, 0, 25_100) <= 80, `at most ${busiest(sockets, 0, 25_100)} in one tick`)

  await advance(25_000)
  t.equal(heartbeat.pings, 10_000, 'the answer to a ping does not make the next one unnecessary')
  t.ok(busiest(sockets, 25_100, 50_100) <= 80)
  t.ok(sockets.every(({ pings: [first = 0, second = 0] }) => Math.abs(second - first - 25_000) <= 100), 'the phase stays')

  clock.now += 60_000
  const stalled = clock.now
  await advance(25_100)
  t.equal(heartbeat.pings, 15_000)
  t.ok(busiest(sockets, stalled, stalled + 25_200) <= 80, 'a stall makes all late, and does not bring them together')

  clock.now += 5_000
  const late = clock.now
  await advance(50_100)
  t.ok(busiest(sockets, late + 200, late + 50_200) <= 80, 'nor does a short stall, after which all that are due are pinged at once')
  t.equal(heartbeat.terminated, 0)
})

t.test('the first ping comes after half an interval to a whole one', async t => {
  for (const [random, earliest] of [[0, 12_500], [0.5, 18_750], [1 - Number.EPSILON, 25_000]] as const) {
    const { watch, advance } = buildUnit(t, { random: () => random })
    const socket = watch()
    await advance(25_100)
    const [first = 0] = socket.pings
    t.ok(first >= earliest && first <= earliest + 100, `${random}: at ${first}`)
  }
})

t.test('a connection that was heard since the last check is not pinged', async t => {
  const { watch, advance, heartbeat } = buildUnit(t)
  const [talks, pings, pongs] = [watch(), watch(), watch()]
  for (let round = 0; round < 4; round++) {
    await advance(12_000)
    talks.emit('message')
    pings.emit('ping')
    pongs.emit('pong')
    await advance(13_000)
  }
  t.equal(heartbeat.pings, 0)
  await advance(12_600)
  t.same([talks, pings, pongs].map(socket => socket.pings.length), [1, 1, 1], 'pinged once silent')
})

t.test('with a timeout as long as the interval, pings still come at the interval', async t => {
  const { watch, advance } = buildUnit(t, { interval: 10_000, timeout: 10_000 })
  const socket = watch()
  await advance(100_100)
  t.ok(socket.pings.length >= 9 && socket.pings.length <= 10, `${socket.pings.length} pings`)
})
