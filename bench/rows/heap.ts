import { setTimeout as sleep } from 'node:timers/promises'
import { type Context, specsOf } from '../lib/context.js'
import { interleave, type Sample } from '../lib/interleave.js'
import { compare, goalOf, type Row } from '../lib/outcome.js'
import { AIRLOCKS } from '../lib/peers.js'
import { type Server, type Spec, startServer } from '../lib/server.js'

const ALONE = '@fastify/websocket'
const PEERS = ['bare ws', ALONE, 'hand-written Fastify', ...AIRLOCKS]
const HEAP = 'heap, KiB'
/** With the verified tokens of those who have just come in. */
const SOON = 'heap at first, KiB'

/** Clients before those that count: what they load and compile is no cost of a connection. */
const FIRST = 300

async function enter ({ generator, keys }: Context, server: Server, count: number): Promise<void> {
  await generator.call('mint', { count, keys })
  await generator.call('enter', { target: server.target('/room') })
}

/** Memory of idle connections, in a new process: one that was full before keeps larger tables. */
async function measure (context: Context, spec: Spec): Promise<Sample> {
  const { idle, rest, forget } = context.sizes
  const server = await startServer(spec, context)
  const { child } = server
  try {
    const { port } = server.target()
    await enter(context, server, FIRST)
    await context.generator.call('leave', port)
    await sleep(rest)
    const before = await child.call<NodeJS.MemoryUsage>('memory')
    await enter(context, server, idle)
    // What a handshake needs for a moment shall be gone: timers, connections of ticket requests.
    await sleep(rest)
    const soon = await child.call<NodeJS.MemoryUsage>('memory')
    const remembers = spec.variant === 'airlock' && spec.settings?.tokenCache !== false
    if (remembers) await sleep(forget)
    const after = remembers && forget > 0 ? await child.call<NodeJS.MemoryUsage>('memory') : soon
    await context.generator.call('leave', port)
    const each = (name: keyof NodeJS.MemoryUsage, read = after): number => (read[name] - before[name]) / idle / 1024
    // Who waits longer has given more pages back, so what is not heap compares only if read at the same age.
    return { [HEAP]: each('heapUsed'), [SOON]: each('heapUsed', soon), 'RSS, KiB': each('rss', soon), 'external, KiB': each('external', soon) }
  } finally {
    await child.stop()
  }
}

export const heap: Row = {
  id: 'heap',
  title: 'Memory of an idle authenticated connection, one topic joined',
  column: true,
  against: true,
  async run (context) {
    const { idle, idleRounds, rest, forget } = context.sizes
    const samples = await interleave(specsOf(context, PEERS, true), { rounds: idleRounds, warmUp: 0 },
      async spec => await measure(context, spec))
    const outcome = compare(context, samples, {
      how: `${idleRounds} rounds of ${idle} connections, each in a new process, ${rest / 1000} s after the last has come${
        forget > 0 ? `; where verified tokens are remembered, ${forget / 1000} s later, and at first` : ''}`,
      metrics: [HEAP, SOON, 'RSS, KiB', 'external, KiB'],
      metric: HEAP,
      bases: [ALONE],
      goals: AIRLOCKS.map(of => ({ of, to: ALONE, target: 1.00 }))
    })
    if (context.against === undefined) {
      for (const label of AIRLOCKS) outcome.verdicts.push(...goalOf(samples, label, HEAP, 'KiB', 3.5))
    }
    return outcome
  }
}
