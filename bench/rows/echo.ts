import type { Profiler } from 'node:inspector'
import { specsOf } from '../lib/context.js'
import { costOf, CPU, SPEED } from '../lib/cost.js'
import { interleave } from '../lib/interleave.js'
import { compare, type Row } from '../lib/outcome.js'
import { ownShare } from '../lib/profile.js'
import { startServers, stopAll } from '../lib/server.js'

const ALONE = '@fastify/websocket'
const PEERS = ['bare ws', ALONE, 'hand-written Fastify', 'airlock']
const PAYLOAD = 128
/** Connections, each with one message under way. */
const CONNECTIONS = 128

export const echo: Row = {
  id: 'echo',
  title: 'Echo of 128 bytes on an open connection',
  column: true,
  against: true,
  async run (context) {
    const { generator, keys, sizes: { rounds, messages } } = context
    const { servers, notes } = await startServers(specsOf(context, PEERS), context)
    for (const server of servers) {
      await generator.call('mint', { count: CONNECTIONS, keys })
      await generator.call('enter', { target: server.target('/echo') })
    }
    const load = async (port: number): Promise<void> => await generator.call('echo', { port, payload: PAYLOAD, messages })
    const samples = await interleave(servers, context.sizes, async server =>
      await costOf(server, messages, async () => await load(server.target().port)))
    const outcome = compare(context, samples, {
      how: `${rounds} rounds of ${messages} messages, ${CONNECTIONS} under way`,
      metrics: [CPU, SPEED],
      metric: CPU,
      bases: ['bare ws', ALONE],
      goals: [{ of: 'airlock', to: ALONE, target: 1.05 }]
    })
    const airlock = servers.find(({ label }) => label === 'airlock')
    if (airlock !== undefined && context.runtime.kind === 'node') {
      await airlock.child.call('startProfile')
      for (let round = 0; round < 4; round++) await load(airlock.target().port)
      const share = 100 * ownShare(await airlock.child.call<Profiler.Profile>('stopProfile'))
      const figure = { median: share, q1: share, q3: share }
      outcome.verdicts.push({ what: 'own code in a CPU profile', figure, unit: '%', target: 4 })
    }
    for (const server of servers) await generator.call('leave', server.target().port)
    await stopAll(servers)
    outcome.notes.unshift(...notes)
    return outcome
  }
}
