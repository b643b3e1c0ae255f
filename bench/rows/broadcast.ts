import type { Child } from '../lib/child.js'
import { type Context, specsOf } from '../lib/context.js'
import { costOf, CPU } from '../lib/cost.js'
import { interleave } from '../lib/interleave.js'
import { compare, type Row } from '../lib/outcome.js'
import { type Server, startServers, stopAll } from '../lib/server.js'

const PAYLOAD = 128
/** Turns in a round, and messages in a turn where there are several. */
const TURNS = 15
const SEVERAL = 10
const LOOP = 'ws.send loop of @fastify/websocket'
const TEN = ', ten in a turn'

/** Sends to everybody and waits until everybody has it, so that no message joins one that is still on its way. */
export async function deliver (server: Server, generators: readonly Child[], times: number): Promise<{ ms: number }> {
  const { port } = server.target()
  for (const generator of generators) await generator.call('expect', { port, payload: PAYLOAD, times })
  const startedAt = await server.child.call<number>('broadcast', { payload: PAYLOAD, times })
  const arrivals = await Promise.all(generators.map(async generator => await generator.call<number>('arrived', port)))
  return { ms: (Math.max(...arrivals) - startedAt) / 1e6 }
}

function ways (context: Context, servers: Server[]): Array<{ label: string, server: Server, times: number }> {
  return servers.flatMap(server => server.label === '@fastify/websocket'
    ? [{ label: LOOP, server, times: 1 }]
    : [
        { label: server.label, server, times: 1 },
        {
          // The revision goes last in a label.
          label: context.against === undefined ? server.label + TEN : server.label.replace(/( at .*)?$/, `${TEN}$1`),
          server,
          times: SEVERAL
        }
      ])
}

export const broadcast: Row = {
  id: 'broadcast',
  title: 'Broadcast of 128 bytes, one delivery',
  column: true,
  against: true,
  async run (context) {
    const { generator, keys, sizes: { rounds, receivers } } = context
    const { servers, notes } = await startServers(specsOf(context, ['@fastify/websocket', 'airlock']), context)
    for (const server of servers) {
      await generator.call('mint', { count: receivers, keys })
      await generator.call('enter', { target: server.target() })
    }
    const samples = await interleave(ways(context, servers), context.sizes, async ({ server, times }) => {
      const { [CPU]: cpu } = await costOf(server, TURNS * times * receivers, async () => {
        for (let turn = 0; turn < TURNS; turn++) await deliver(server, [generator], times)
      })
      return { [CPU]: cpu as number }
    })
    for (const server of servers) await generator.call('leave', server.target().port)
    await stopAll(servers)
    samples.notes.unshift(...notes)
    return compare(context, samples, {
      how: `${rounds} rounds, ${receivers} receivers`,
      metrics: [CPU],
      metric: CPU,
      bases: [LOOP],
      goals: [{ of: 'airlock', to: LOOP, target: 0.80 }, { of: `airlock${TEN}`, to: LOOP, target: 0.09 }]
    })
  }
}
