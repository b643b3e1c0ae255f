import { type Context, specsOf } from '../lib/context.js'
import { costOf, CPU, SPEED } from '../lib/cost.js'
import { interleave, type Sample } from '../lib/interleave.js'
import { compare, type Row } from '../lib/outcome.js'
import { AIRLOCKS } from '../lib/peers.js'
import { type Spec, startServer } from '../lib/server.js'

const HAND_WRITTEN = 'hand-written Fastify'

async function measure (context: Context, spec: Spec): Promise<Sample> {
  const { generator, sizes: { first } } = context
  const server = await startServer(spec, context)
  try {
    // Tickets that nobody asks for over HTTP: requests would warm up half of what is to be measured cold.
    const subjects = await generator.call<string[]>('subjects')
    await generator.call('useTickets', await server.child.call('issue', subjects))
    return await costOf(server, first, async () => await generator.call('handshakes', server.target()))
  } finally {
    await server.child.stop()
  }
}

export const first: Row = {
  id: 'first',
  title: 'First handshakes of a new process, ticket at hand',
  against: true,
  async run (context) {
    const { generator, keys, sizes: { first, firstRounds } } = context
    const samples = await interleave(
      specsOf(context, [HAND_WRITTEN, ...AIRLOCKS]), { rounds: firstRounds, warmUp: 1 },
      async spec => await measure(context, spec),
      async () => await generator.call('mint', { count: first, keys })
    )
    return compare(context, samples, {
      how: `${firstRounds} processes each, their first ${first} handshakes`,
      metrics: [CPU, SPEED],
      metric: CPU,
      bases: [HAND_WRITTEN],
      goals: AIRLOCKS.map(of => ({ of, to: HAND_WRITTEN, target: 1.30 }))
    })
  }
}
