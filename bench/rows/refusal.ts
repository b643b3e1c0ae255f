import { KINDS } from '../load/refusals.js'
import { specsOf } from '../lib/context.js'
import { costOf, CPU } from '../lib/cost.js'
import { interleave } from '../lib/interleave.js'
import { compare, type Outcome, ratioOf, type Row } from '../lib/outcome.js'
import { startServers, stopAll } from '../lib/server.js'
import type { Figure } from '../lib/statistics.js'

const BARE = 'bare ws, 404'
const MIXED = `mixed ${CPU}`
const EARLY = 'airlock, refusing before routing'
const PEERS = [BARE, '@fastify/websocket', 'hand-written Fastify', 'airlock', EARLY]
/** Express answers a request without a token as a hand-written server does; the others let everybody in first. */
const OTHERS = ['express + ws + jsonwebtoken', 'Go', 'Rust', 'Bun']

export const refusal: Row = {
  id: 'refusal',
  title: 'Refused upgrade',
  column: true,
  against: true,
  async run (context) {
    const { generator, sizes: { rounds, handshakes: count }, keys } = context
    const specs = specsOf({ ...context, others: context.others.filter(({ label }) => OTHERS.includes(label)) }, PEERS, true)
    const { servers, notes } = await startServers(specs, context)
    const { against } = context
    const cells = new Map(servers.map(({ label }) => [label, {} as Record<string, Figure>]))
    const parts: Outcome[] = []
    for (const kind of [...KINDS, 'mixed'] as const) {
      const samples = await interleave(servers, context.sizes, async server => {
        // @fastify/websocket alone refuses nobody whom it has a route for.
        const target = server.target(server.label === '@fastify/websocket' ? '/nowhere' : '/ws')
        await generator.call('prepareRefusals', target)
        return await costOf(server, count, async () => await generator.call('refusals', { target, kind, count }))
      }, async () => await generator.call('mint', { count: 128, keys }))
      const outcome = compare(context, samples, {
        how: '',
        metrics: [CPU],
        metric: CPU,
        bases: [BARE],
        goals: [{ of: 'airlock', to: BARE, target: 1.30 }, { of: EARLY, to: BARE, target: 1.15 }]
      })
      for (const { peer, cells: { [CPU]: cpu } } of outcome.lines) {
        const line = cells.get(peer) as Record<string, Figure>
        const share = ratioOf(samples, CPU, peer, against === undefined ? BARE : `${peer} at ${against.revision}`)
        if (share !== undefined) line[kind] = share
        if (kind === 'mixed' && cpu !== undefined) line[MIXED] = cpu
      }
      for (const item of outcome.verdicts) item.what += `, ${kind}`
      parts.push(outcome)
    }
    await stopAll(servers)
    return {
      how: `${rounds} rounds of ${count} upgrades of each kind; ratios are to ${against?.revision ?? BARE}`,
      columns: [...KINDS, 'mixed', MIXED],
      lines: [...cells].map(([peer, cells]) => ({ peer, cells })),
      verdicts: parts.flatMap(({ verdicts }) => verdicts),
      notes: [...new Set([...notes, ...parts.flatMap(({ notes }) => notes)])]
    }
  }
}
