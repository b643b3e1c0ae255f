/**
 * Storms: three nodes give 1,000 orders while their bus is cut for 10 ms to 30 s, on each bus that can be installed.
 * `npm run test:storms`; with `-- --short`, the cuts take 3 s at most. With names of buses, these alone.
 */
import { randomBytes } from 'node:crypto'
import { parseArgs } from 'node:util'
import { type PrivateServer, requireServer, type Skip, startMongo, startNats, startRedis } from '@fastify-airlock/test-servers'
import { connect as connectToNats } from '@nats-io/transport-node'
import fc from 'fast-check'
import { Redis } from 'ioredis'
import mqemitterMongodb from 'mqemitter-mongodb'
import mqemitterRedis from 'mqemitter-redis'
import t, { type Test } from 'tap'
import { NatsBus } from '../src/buses/nats.js'
import type { HubBus } from '../src/index.js'
import { until } from './helpers.js'
import { checkOrders } from './fake-bus.js'
import { storm } from './storm.js'

const { values: { short }, positionals: names } = parseArgs({ allowPositionals: true, options: { short: { type: 'boolean', default: false } } })

const SHORTEST = 10
const longest = short ? 3_000 : 30_000
const pace = short ? { every: 25, between: 3_000 } : { every: 300, between: 15_000 }

/** The time of a cut: short ones are as frequent as long ones. */
const time = (): number => SHORTEST * (longest / SHORTEST) ** Math.random()

interface Bus {
  start: () => Promise<PrivateServer | Skip>
  connect: (server: PrivateServer) => (t: Test) => HubBus | Promise<HubBus>
  /** Ways to cut it beside those that every server has. */
  cuts?: (t: Test, server: PrivateServer) => Array<() => unknown>
  busBeat: number
}

const buses: Record<string, Bus> = {
  redis: {
    start: startRedis,
    connect: ({ url }) => t => {
      const bus = mqemitterRedis({ connectionString: url })
      t.teardown(() => new Promise<void>(resolve => bus.close(resolve)))
      return bus
    },
    cuts: (t, { url }) => {
      const client = new Redis(url, { maxRetriesPerRequest: null })
      client.on('error', () => {})
      t.teardown(() => client.disconnect())
      return ['pubsub', 'normal'].map(type => async () => await client.call('CLIENT', 'KILL', 'TYPE', type))
    },
    busBeat: 400
  },
  nats: {
    start: startNats,
    connect: ({ url }) => async t => {
      const connection = await connectToNats({ servers: url, maxReconnectAttempts: -1, reconnectTimeWait: 50 })
      t.teardown(() => connection.close())
      return new NatsBus(connection)
    },
    busBeat: 400
  },
  mongodb: {
    start: startMongo,
    connect: server => {
      const url = `${server.url}/airlock_${randomBytes(6).toString('hex')}`
      return t => {
        const bus = mqemitterMongodb({ url })
        t.teardown(() => new Promise<void>(resolve => bus.close(() => resolve())))
        return bus
      }
    },
    busBeat: 1_500
  }
}

t.jobs = 4
// Nothing but the storms themselves decides how long they take; each has an end of its own.
t.setTimeout(3_600_000)

for (const [name, { start, connect, cuts, busBeat }] of Object.entries(buses)) {
  if (names.length > 0 && !names.includes(name)) continue
  t.test(name, { buffered: true, timeout: 3_600_000 }, async t => {
    const server = requireServer(t, await start())
    if (server === null) return
    t.comment(server.kind)
    t.teardown(() => server.stop())
    const ways = [
      async () => {
        await server.pause()
        await new Promise(resolve => setTimeout(resolve, time()))
        server.resume()
      },
      async () => {
        await server.kill()
        await new Promise(resolve => setTimeout(resolve, time()))
        await server.restart()
      },
      ...cuts?.(t, server) ?? []
    ]
    let count = 0
    const end = connect(server)
    if (name === 'mongodb') {
      // A collection that was made just before a crash may be gone after it.
      await t.test('a database is made early', async t => {
        const bus = await end(t)
        let isThere = false
        bus.on('x', (_message, done) => { isThere = true; done() }, () => bus.emit({ topic: 'x' }, () => {}))
        await until(() => isThere)
      })
    }
    // Each way in turn: the short form has time for all of them.
    await storm(t, { connect: end, cut: async () => await ways[count++ % ways.length]?.(), orders: 1_000, ...pace, options: { busBeat } })
  })
}

t.test('whatever a bus does', { buffered: true, timeout: 3_600_000 }, async t => {
  const result = fc.check(checkOrders(), { numRuns: short ? 1_000 : 20_000 })
  t.notOk(result.failed, fc.defaultReportMessage(result) ?? `all steps, seed ${result.seed}`)
})
