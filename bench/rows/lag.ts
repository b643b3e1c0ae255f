import { setTimeout as sleep } from 'node:timers/promises'
import type { Child } from '../lib/child.js'
import { type Context, specsOf } from '../lib/context.js'
import { costOf, CPU } from '../lib/cost.js'
import { startGenerators } from '../lib/generator.js'
import { interleave, type Sample } from '../lib/interleave.js'
import { compare, goalOf, type Row } from '../lib/outcome.js'
import { type Server, startServers, stopAll } from '../lib/server.js'
import { deliver } from './broadcast.js'

const ALONE = '@fastify/websocket'
const STOP = 'longest stop, ms'
const UNTIL = 'until the last has it, ms'

/** Fills a server from as many processes as there are generators. */
export async function fill ({ keys }: Context, server: Server, generators: readonly Child[], crowd: number, route = '/ws'): Promise<void> {
  await Promise.all(generators.map(async (generator, index) => {
    const count = Math.floor((crowd + index) / generators.length)
    await generator.call('mint', { count, keys })
    await generator.call('enter', { target: server.target(route), workers: 32 })
  }))
}

/** One broadcast to all of them, with the event loop watched. */
export async function watch (server: Server, generators: readonly Child[], crowd: number): Promise<Sample> {
  let [ms, stop] = [0, 0]
  const { [CPU]: cpu } = await costOf(server, crowd, async () => {
    await server.child.call('startLag')
    // The timer has to be under way before something can delay it.
    await sleep(50)
    ms = (await deliver(server, generators, 1)).ms
    await sleep(20)
    stop = await server.child.call<number>('stopLag')
  })
  return { [STOP]: stop, [UNTIL]: ms, [CPU]: cpu as number }
}

export const lag: Row = {
  id: 'lag',
  title: 'Event loop during a broadcast to everybody',
  against: true,
  async run (context) {
    const { crowd, crowdRounds } = context.sizes
    const { servers, notes } = await startServers(specsOf(context, [ALONE, 'airlock']), context)
    const crowds = new Map<Server, Child[]>()
    for (const server of servers) {
      const generators = await startGenerators(context, 2)
      crowds.set(server, generators)
      await fill(context, server, generators, crowd)
    }
    const samples = await interleave(servers, { rounds: crowdRounds, warmUp: 2 }, async server =>
      await watch(server, crowds.get(server) as Child[], crowd))
    for (const generators of crowds.values()) await stopAll(generators.map(child => ({ child })))
    await stopAll(servers)
    samples.notes.unshift(...notes)
    const outcome = compare(context, samples, {
      how: `${crowdRounds} broadcasts of 128 bytes to ${crowd} connections`,
      metrics: [STOP, UNTIL, CPU],
      metric: UNTIL,
      bases: [ALONE],
      goals: [{ of: 'airlock', to: ALONE, target: 1.05, what: `time until the last has it, airlock / ${ALONE}` }]
    })
    if (context.against === undefined) outcome.verdicts.unshift(...goalOf(samples, 'airlock', STOP, 'ms', 50, 'airlock, longest stop'))
    return outcome
  }
}
