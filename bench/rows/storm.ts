import { setTimeout as sleep } from 'node:timers/promises'
import type { Storm } from '../load/storm.js'
import type { Child } from '../lib/child.js'
import { type Context, specsOf } from '../lib/context.js'
import { costOf, CPU } from '../lib/cost.js'
import { startGenerators } from '../lib/generator.js'
import { interleave, type Sample } from '../lib/interleave.js'
import { compare, goalOf, type Row } from '../lib/outcome.js'
import { type Server, startServers, stopAll } from '../lib/server.js'
import { watchMachine } from '../lib/machine.js'
import { quantile } from '../lib/statistics.js'

/** Clients of the same server before the storm, 64 at a time, whose cost sets the measure. */
const BEFORE = 2_000
const STOP = 'longest stop, ms'
const SHARE = '90 % are in, / CPU-bound time'

/** Whether it was the server that everybody waited for, or somebody else on this machine; the first two in % of a core. */
const BUSY = 'server busy, %'
const LOAD = 'clients busy, %'
const IDLE = 'machine idle, %'

/** Where clients come from: all of these are loopback, and each address has pools of its own in the server. */
const ADDRESSES = Array.from({ length: 64 }, (_, index) => `127.0.${1 + index % 8}.${1 + Math.floor(index / 8)}`)

/** Those clients. @returns what one of them costs */
async function costOfOne ({ keys }: Context, server: Server, generator: Child): Promise<number> {
  await generator.call('mint', { count: BEFORE, keys })
  const { [CPU]: cpu } = await costOf(server, BEFORE, async () => await generator.call('procession', server.target()))
  return cpu as number
}

async function cpuOf (children: readonly Child[]): Promise<number> {
  const used = await Promise.all(children.map(async child => await child.call<number>('cpu')))
  return used.reduce((sum, cpu) => sum + cpu, 0)
}

async function measure (context: Context, server: Server, generators: readonly Child[]): Promise<Sample> {
  const { keys, sizes } = context
  const target = server.target()
  const cpu = await costOfOne(context, server, generators[0] as Child)
  const count = Math.floor(sizes.storm / generators.length)
  await Promise.all(generators.map(async generator => await generator.call('mint', { count, keys })))
  await server.child.call('settle')
  const [busyBefore, busyLoad, watched] = [await server.cpu(), await cpuOf(generators), watchMachine()]
  await server.child.call('startLag')
  await sleep(50)
  const storms = await Promise.all(generators.map(async generator => await generator.call<Storm>('storm', { target, addresses: ADDRESSES })))
  const [busy, busyWith, idle] = [await server.cpu() - busyBefore, await cpuOf(generators) - busyLoad, watched()]
  const stop = await server.child.call<number>('stopLag')
  while (await server.child.call<number>('connections') > 0) await sleep(100)

  const startedAt = Math.min(...storms.map(storm => storm.startedAt))
  const inAt = storms.flatMap(storm => storm.inAt).map(at => (at - startedAt) / 1e6)
  const sum = (name: 'sentBack' | 'failed'): number => storms.reduce((total, storm) => total + storm[name], 0)
  const bound = count * generators.length * cpu / 1000
  return {
    [STOP]: stop,
    '90 % are in, ms': quantile(inAt, 0.9),
    'all are in, ms': quantile(inAt, 1),
    'CPU-bound time, ms': bound,
    [BUSY]: busy / quantile(inAt, 1) / 10,
    [LOAD]: busyWith / quantile(inAt, 1) / 10,
    [IDLE]: idle,
    [SHARE]: quantile(inAt, 0.9) / bound,
    'sent back': sum('sentBack'),
    failed: sum('failed')
  }
}

export const storm: Row = {
  id: 'storm',
  title: 'Storm: everybody comes back at once, for a ticket first',
  against: true,
  async run (context) {
    const { storm, storms } = context.sizes
    const { servers, notes } = await startServers(specsOf(context, ['airlock']), context)
    const generators = await startGenerators(context, 2)
    // A process that has served nobody yet is slow, and its storm would look fast beside that.
    for (const server of servers) await costOfOne(context, server, generators[0] as Child)
    const samples = await interleave(servers, { rounds: storms, warmUp: 0 }, async server => await measure(context, server, generators))
    await stopAll([...servers, ...generators.map(child => ({ child }))])
    samples.notes.unshift(...notes)
    const outcome = compare(context, samples, {
      how: `${storms} storms of ${storm} clients of ${ADDRESSES.length} addresses; the CPU-bound time is that of as many clients, 64 at a time`,
      metrics: [STOP, '90 % are in, ms', 'all are in, ms', 'CPU-bound time, ms', BUSY, LOAD, IDLE, SHARE, 'sent back', 'failed'],
      metric: STOP,
      bases: [],
      goals: []
    })
    if (context.against === undefined) {
      outcome.verdicts.push(
        ...goalOf(samples, 'airlock', STOP, 'ms', 100, 'longest stop of the event loop'),
        ...goalOf(samples, 'airlock', SHARE, '', 1.5, SHARE)
      )
    }
    return outcome
  }
}
