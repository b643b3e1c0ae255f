// A publication is taken once, whatever byte of the exchange its connection breaks at, and the order holds.
// `AIRLOCK_LINKS=real` has a thousand points.
import fastifyJwt from '@fastify/jwt'
import websocket from '@fastify/websocket'
import { connectTopics, type Published } from '@fastify-airlock/client/topics'
import { websocketOptions } from '@fastify-airlock/core'
import wsHandshake from '@fastify-airlock/handshake'
import wsHub from '@fastify-airlock/hub'
import { type Direction, type Relay, relayTo } from '@fastify-airlock/testing'
import wsTopics from '@fastify-airlock/topics'
import Fastify from 'fastify'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'

const POINTS = process.env.AIRLOCK_LINKS === 'real' ? 1_000 : 200
const WORKERS = 8
/** Publications of an exchange. */
const EACH = 3

/** Compression would make the bytes differ. */
class Plain extends WebSocket {
  constructor (url: string, protocols?: string[]) {
    super(url, protocols, { perMessageDeflate: false })
  }
}

async function serve (t: Test) {
  const app = Fastify({ forceCloseConnections: true })
  t.teardown(() => app.close())
  await app.register(websocket, websocketOptions())
  await app.register(fastifyJwt, { secret: 'a secret for tests that is long enough' })
  await app.register(wsHandshake)
  await app.register(wsHub, { authorizeTopic: () => true, messageRate: false, maxConnectionsPerSubject: Infinity, drain: { jitter: 1 } })
  await app.register(wsTopics, { topics: { '#': { history: { size: 10_000, ttl: 3_600_000 } } }, authorizePublish: () => true })
  app.get('/ws', { websocket: true }, app.wsHandshake(() => {}))
  await app.listen({ port: 0, host: '127.0.0.1' })
  return { port: (app.server.address() as AddressInfo).port, token: app.jwt.sign({ sub: 'alice', jti: 'one' }, { expiresIn: '1h' }) }
}

function dial (t: Test, port: number, token: string) {
  const connection = connectTopics({
    url: `ws://127.0.0.1:${port}/ws`, WebSocket: Plain, getToken: () => token, reconnect: { min: 1, max: 10 }
  })
  t.teardown(() => { connection.close() })
  return connection
}

/** Publishes on a new connection, which is cut once after so many bytes. */
async function exchange (t: Test, relay: Relay, token: string, topic: string, name: string, cut?: { way: Direction, after: number }) {
  if (cut) relay[cut.way].cutAfter(cut.after)
  const connection = dial(t, relay.port, token)
  let breaks = 0
  connection.on('close', () => {
    breaks++
    relay.up.cutAt = relay.down.cutAt = Infinity
  })
  const outcomes = await Promise.allSettled(Array.from({ length: EACH }, (_, n) => connection.publish(topic, `${name}.${n}`, { timeout: 120_000 })))
  const broken = breaks
  connection.close()
  relay.up.cutAt = relay.down.cutAt = Infinity
  return { outcomes, broken }
}

t.test(`a socket killed at each of ${POINTS} points of an exchange`, { timeout: 300_000 }, async t => {
  const { port, token } = await serve(t)
  const arrived = new Map<string, Array<{ data: string, offset: number }>>()
  const reader = dial(t, port, token)
  const topics = Array.from({ length: WORKERS }, (_, n) => `cut/${n}`)
  for (const topic of topics) {
    const all: Array<{ data: string, offset: number }> = []
    arrived.set(topic, all)
    reader.subscribe<string>(topic, ({ data, position }) => { all.push({ data, offset: position!.offset }) })
  }

  // How many bytes the handshake and the exchange have: the points lie behind the handshake, as close as possible.
  const probe = await relayTo(port, t)
  const first = dial(t, probe.port, token)
  await first.ready()
  const from = { up: probe.up.passed, down: probe.down.passed }
  for (let n = 0; n < EACH; n++) await first.publish('probe', `${n}`.padStart(6))
  const to = { up: probe.up.passed, down: probe.down.passed }
  first.close()

  let next = 0
  let broken = 0
  let uncertain = 0
  const acknowledged = new Map<string, Map<string, number>>(topics.map(topic => [topic, new Map()]))
  await Promise.all(topics.map(async topic => {
    const relay = await relayTo(port, t)
    while (next < POINTS) {
      const point = next++
      const way = point % 2 ? 'up' : 'down'
      const after = from[way] + Math.floor((to[way] - from[way]) * point / POINTS)
      const result = await exchange(t, relay, token, topic, `${point}`, { way, after })
      broken += result.broken
      for (const [n, outcome] of result.outcomes.entries()) {
        if (outcome.status === 'rejected') {
          t.equal(outcome.reason.code, 'WSA_CLIENT_ERR_UNCERTAIN', `${outcome.reason}`)
          uncertain++
        } else {
          acknowledged.get(topic)!.set(`${point}.${n}`, (outcome.value as Published).position!.offset)
        }
      }
    }
  }))
  t.comment(`${broken} sockets killed, ${uncertain} publications uncertain`)
  t.ok(broken >= POINTS * 0.95, 'nearly every point is within the exchange')
  for (const topic of topics) {
    await reader.publish(topic, 'end')
    const all = arrived.get(topic)!
    while (all.at(-1)?.data !== 'end') await new Promise(resolve => setTimeout(resolve, 5))
    const offsets = all.map(({ offset }) => offset)
    t.same(offsets, offsets.map((_, n) => n + 1), 'the reader has every position once, in order')
    t.equal(new Set(all.map(({ data }) => data)).size, all.length, 'none is published twice')
    const places = new Map(all.map(({ data, offset }) => [data, offset]))
    for (const [name, offset] of acknowledged.get(topic)!) if (places.get(name) !== offset) t.fail(`${name} is at ${places.get(name)}, not ${offset}`)
    const order = all.map(({ data }) => data).filter(data => data !== 'end').map(data => data.split('.').map(Number) as [number, number])
    t.same(order, [...order].sort(([a, b], [c, d]) => a - c || b - d), 'in the order in which they were published')
  }
})
