import { setTimeout as sleep } from 'node:timers/promises'
import { type Context, specsOf } from '../lib/context.js'
import { costOf, CPU } from '../lib/cost.js'
import { startGenerators } from '../lib/generator.js'
import { interleave, type Sample } from '../lib/interleave.js'
import { compare, type Row } from '../lib/outcome.js'
import { type Spec, startServer, stopAll } from '../lib/server.js'
import { fill, watch } from './lag.js'

/** Connections before those that count: what they load and compile is no cost of a connection. */
const FIRST = 200

/** Seconds without any message: each connection is pinged twice. */
const QUIET = 50
const METRICS = [
  'CPU to let one in, µs', 'heap, KiB each', 'RSS, KiB each', 'RSS, MiB in all', 'CPU when idle, % of a core', 'CPU of a ping, µs',
  'longest stop, ms', 'until the last has it, ms', 'CPU, µs'
]

async function measure (context: Context, spec: Spec, crowd: number): Promise<Sample> {
  const server = await startServer({ ...spec, settings: { heartbeat: true } }, context)
  const generators = await startGenerators(context, 2)
  try {
    await fill(context, server, generators, FIRST, '/room')
    const before = await server.child.call<NodeJS.MemoryUsage>('memory')
    const { [CPU]: entrance } = await costOf(server, crowd, async () => await fill(context, server, generators, crowd, '/room'))
    await sleep(context.sizes.rest)
    const after = await server.child.call<NodeJS.MemoryUsage>('memory')
    const [used, pings] = [await server.cpu(), await server.child.call<number>('pings')]
    await sleep(QUIET * 1000)
    const [idle, sent] = [await server.cpu() - used, await server.child.call<number>('pings') - pings]
    // The first broadcast compiles what the second one is measured with.
    await watch(server, generators, crowd)
    return {
      'CPU to let one in, µs': entrance as number,
      'heap, KiB each': (after.heapUsed - before.heapUsed) / crowd / 1024,
      'RSS, KiB each': (after.rss - before.rss) / crowd / 1024,
      'RSS, MiB in all': after.rss / 1024 ** 2,
      'CPU when idle, % of a core': idle / QUIET / 1e4,
      'CPU of a ping, µs': idle / sent,
      ...await watch(server, generators, crowd)
    }
  } finally {
    await stopAll([server, ...generators.map(child => ({ child }))])
  }
}

export const scale: Row = {
  id: 'scale',
  title: 'Idle connections by number',
  full: true,
  async run (context) {
    const { crowd } = context.sizes
    const [spec] = specsOf(context, ['airlock']) as [Spec]
    const numbers = [...new Set([5_000, 10_000, crowd].filter(number => number <= crowd))]
    const peers = numbers.map(number => ({ label: `airlock, ${number} connections`, number }))
    const samples = await interleave(peers, { rounds: 1, warmUp: 0 }, async ({ number }) => await measure(context, spec, number))
    return compare(context, samples, {
      how: `once each, with the heartbeat; memory beyond that with ${FIRST} connections, CPU of a delivery`,
      metrics: METRICS,
      metric: 'heap, KiB each',
      bases: [],
      goals: []
    })
  }
}
