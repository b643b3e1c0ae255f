import { setTimeout as sleep } from 'node:timers/promises'
import { type Context, specsOf } from '../lib/context.js'
import { startGenerators } from '../lib/generator.js'
import { interleave, type Sample } from '../lib/interleave.js'
import { compare, type Row } from '../lib/outcome.js'
import { type Spec, startServer, stopAll } from '../lib/server.js'
import { fill, watch } from './lag.js'

/** Seconds without any message, to see what so many connections cost by themselves. */
const QUIET = 10
const METRICS = ['heap, KiB each', 'RSS, KiB each', 'RSS, MiB in all', 'CPU when idle, % of a core']

async function measure (context: Context, spec: Spec, crowd: number): Promise<Sample> {
  const server = await startServer(spec, context)
  const generators = await startGenerators(context, 2)
  try {
    const before = await server.child.call<NodeJS.MemoryUsage>('memory')
    await fill(context, server, generators, crowd, '/room')
    await sleep(context.sizes.rest)
    const after = await server.child.call<NodeJS.MemoryUsage>('memory')
    const used = await server.cpu()
    await sleep(QUIET * 1000)
    const idle = await server.cpu() - used
    await watch(server, generators, crowd)
    return {
      'heap, KiB each': (after.heapUsed - before.heapUsed) / crowd / 1024,
      'RSS, KiB each': (after.rss - before.rss) / crowd / 1024,
      'RSS, MiB in all': after.rss / 1024 ** 2,
      'CPU when idle, % of a core': idle / QUIET / 1e4,
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
      how: 'once each; memory against the empty process',
      metrics: [...METRICS, 'longest stop, ms', 'until the last has it, ms', 'CPU, µs'],
      metric: 'heap, KiB each',
      bases: [],
      goals: []
    })
  }
}
