/**
 * The soak: three nodes under mixed load, with kills and pauses of nodes, Redis and MongoDB. Every ticket, order and message is
 * accounted for, and memory and descriptors are looked at whenever everybody has gone home.
 * `npm run test:soak`; with `-- --short` it takes about two minutes, with `-- --minutes N` as many, and with `--write` its
 * figures go to docs/soak.md.
 */
import { requireServer, startMongo, startRedis } from '@fastify-airlock/test-servers'
import { MongoClient } from 'mongodb'
import { createHash, randomBytes } from 'node:crypto'
import { setMaxListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import t from 'tap'
import { writeFigures } from './figures.js'
import { post } from './http.js'
import { count, Ledger } from './ledger.js'
import { NodeProcess } from './node-process.js'
import { Outages } from './outages.js'
import { type Calm, growth } from './calm.js'
import { NODES, ROOMS, SUBJECTS } from './settings.js'
import { troubles, untilHealthy, ways } from './trouble.js'
import { ends, vandalism, vandalize } from './vandal.js'
import { pick, visit } from './visitor.js'

const { values: { short, minutes, write } } = parseArgs({
  options: { short: { type: 'boolean', default: false }, minutes: { type: 'string', default: '30' }, write: { type: 'boolean', default: false } }
})

/** In milliseconds. */
const length = short ? 100_000 : Number(minutes) * 60_000
/** Time between two moments at which everybody has gone home. */
const every = short ? 50_000 : Math.min(150_000, length / 4)
/** From when on memory must not grow: before, caches fill and code is compiled. */
const steadyFrom = short ? 30_000 : Math.min(300_000, length / 2)
/** Growth that is allowed from then on. A short soak is too short to tell a leak from a cache that fills. */
const allowed = short ? 0.15 : 0.05
const VISITORS = 60
const VANDALS = 4

t.setTimeout(length * 2 + 1_800_000)

t.test('a soak', { timeout: length * 2 + 1_800_000 }, async t => {
  const [mongodb, redis] = [requireServer(t, await startMongo()), requireServer(t, await startRedis())]
  if (mongodb === null || redis === null) return
  t.teardown(async () => { await Promise.all([mongodb.stop(), redis.stop()]) })
  const store = new MongoClient(mongodb.url)
  t.teardown(() => store.close())
  const outages = new Outages()
  const ledger = new Ledger(outages)
  const logged: Record<string, number> = {}
  const events = {
    violation: (what: string) => ledger.violation(what),
    log: (line: string) => {
      const { level, code, err, msg } = JSON.parse(line)
      count(logged, `${level} ${code ?? err?.code ?? msg}`)
    }
  }
  const secret = randomBytes(32).toString('base64')
  const nodes = Array.from({ length: NODES }, (_, index) => new NodeProcess(index, { mongodb: mongodb.url, redis: redis.url, secret }, events))
  t.teardown(async () => { await Promise.all(nodes.map(node => node.kill())) })
  await Promise.all(nodes.map(node => node.start()))
  await untilHealthy({ nodes })

  const drivers = [mongodb, redis].map(({ url }) => Number(new URL(url).port))
  const started = Date.now()
  const calms: Calm[] = []
  const descriptors: number[][] = []

  /** Looks at the nodes when nobody is there. */
  const look = async (): Promise<void> => {
    for (const node of nodes) {
      while (true) {
        const { sockets, clients, pending, connections } = await node.state()
        if (sockets + clients + pending + connections === 0) break
        await sleep(100)
      }
    }
    const states = await Promise.all(nodes.map(node => node.state(true)))
    const found = await Promise.all(nodes.map(node => node.descriptors(drivers)))
    descriptors.push(found)
    calms.push({ at: Date.now() - started, heap: states.map(({ heap }) => heap), code: states.map(({ code }) => code), external: states.map(({ external }) => external), rss: states.map(({ rss }) => rss), descriptors: found })
    t.comment(`${Math.round((Date.now() - started) / 1_000)} s: heap ${states.map(({ heap }) => (heap / 2 ** 20).toFixed(2)).join(', ')} MiB; descriptors ${found.join(', ')}; ${JSON.stringify({ ...ledger.fates, ...ledger.orders, ...ledger.messages })}`)
    // What is in the store can be redeemed.
    const hashes = ledger.redeemed.splice(0).map(({ value }) => createHash('sha256').update(value).digest('base64url'))
    for (let at = 0; at < hashes.length; at += 500) {
      const left = await store.db('soak').collection('ws_tickets').countDocuments({ _id: { $in: hashes.slice(at, at + 500) } } as object)
      if (left > 0) ledger.violation(`${left} redeemed tickets are still in the store`)
    }
  }

  /** Visitors, vandals, orders and troubles for a while. */
  const load = async (time: number, harm: Array<() => Promise<void>>): Promise<void> => {
    const home = new AbortController()
    setMaxListeners(0, home.signal)
    const place = { ledger, nodes, signal: home.signal }
    const end = Date.now() + time
    for (const node of nodes) node.publish(true)
    const going = [...Array.from({ length: VISITORS }, () => visit(place)), ...Array.from({ length: VANDALS }, () => vandalize(place)), giveOrders(home.signal)]
    await sleep(Math.min(5_000, time / 10))
    while (Date.now() < end && harm.length > 0) {
      const next = ways({ nodes, redis, mongodb, outages })
      await (next[troublesDone++ % next.length] as typeof next[number])()
      await sleep(Math.min(8_000, time / 10))
    }
    await sleep(Math.max(0, end - Date.now()))
    await untilHealthy({ nodes })
    await settleOrders()
    home.abort()
    await Promise.all(going)
    for (const node of nodes) node.publish(false)
  }
  let troublesDone = 0

  const giveOrders = async (signal: AbortSignal): Promise<void> => {
    while (!signal.aborted) {
      await sleep(700 + Math.random() * 2_000)
      const subject = `user ${Math.floor(Math.random() * SUBJECTS)}`
      const giver = pick(nodes)
      const kind = Math.random()
      const session = kind < 0.15 ? ledger.sessionOf(subject) : undefined
      const topic = kind > 0.6 ? `room/${Math.floor(Math.random() * ROOMS)}` : undefined
      const order = ledger.give({ subject, session, topic, giver: giver.index })
      const { status, body } = await post(giver.port, '/order', { subject, session, topic, reason: order.reason })
      ledger.answered(order, status === 200 ? body : null, NODES)
    }
  }

  /** Every order is carried out once all nodes are there; what is still to be seen is on its way to the clients. */
  const settleOrders = async (): Promise<void> => {
    const late = Date.now() + 120_000
    const before = new Set(ledger.openOrders.filter(({ done }) => done !== Infinity))
    while (ledger.openOrders.some(order => before.has(order))) {
      if (Date.now() > late) {
        for (const order of ledger.openOrders) if (before.has(order)) ledger.violation(`${order.reason} has not reached ${order.waiting.size} connections: ${JSON.stringify([...order.waiting].map(({ node, isOpen, ticket }) => ({ node, isOpen, asked: ticket.asked - order.at })))}`)
        return
      }
      await sleep(200)
    }
  }

  await load(short ? 5_000 : 15_000, [])
  await look()
  while (Date.now() - started < length) {
    await load(Math.min(every, Math.max(5_000, length - (Date.now() - started))), ways({ nodes, redis, mongodb, outages }))
    await look()
  }

  const heap = growth(calms, steadyFrom)
  const results = { ledger, calms, outages: outages.count, troubles, vandalism, ends, logged, heap, from: steadyFrom, minutes: (Date.now() - started) / 60_000, servers: [mongodb.kind, redis.kind] }
  t.strictSame(ledger.violations, [], 'every ticket, order and message is accounted for')
  t.ok(heap <= allowed, `heap after garbage collection of the node that lived all along: ${(heap * 100).toFixed(1)} %`)
  const [start = [], ...later] = descriptors
  for (const [index] of nodes.entries()) {
    const most = Math.max(...later.map(found => found[index] as number))
    t.ok(most <= (start[index] as number), `descriptors of node ${index}: ${start[index]} at the start, ${most} at most when everybody had gone`)
  }
  t.equal(Object.values(ledger.fates).reduce((a, b) => a + b), ledger.settled, 'tickets add up')
  for (const [what, figure] of Object.entries({ opened: ledger.connections.opened, redeemed: ledger.fates.redeemed, received: ledger.messages.received, echoes: ledger.messages.echoes, 'orders carried out': ledger.orders.carriedOut })) {
    t.ok(figure > 0, `${what}: ${figure}`)
  }
  t.comment(await writeFigures(results, write))
})
