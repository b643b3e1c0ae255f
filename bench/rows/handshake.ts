import { type Context, specsOf } from '../lib/context.js'
import { costOf, CPU, SPEED } from '../lib/cost.js'
import { interleave, type Samples } from '../lib/interleave.js'
import { compare, type Goal, type Outcome, type Row } from '../lib/outcome.js'
import { AIRLOCKS } from '../lib/peers.js'
import { type Spec, startServers, stopAll } from '../lib/server.js'
import { type Algorithm, makeKeys } from '../lib/tokens.js'

const PEERS = ['bare ws', 'floor', '@fastify/websocket', 'hand-written Fastify', ...AIRLOCKS]
/** Where the ticket route verifies the JWT in the plugin's own way: of matter only where it is asked for a ticket. */
const OWN_CHECK = 'airlock, route.jwt'
const HAND_WRITTEN = 'hand-written Fastify'

/** `handshakes`: the ticket is at hand. `visits`: it is asked for first, by those who need one. */
type Operation = 'handshakes' | 'visits'

/** The most that a handshake may cost, in those of hand-written Fastify. */
export const TARGETS = { handshakes: 1.00, visits: 1.40 }

const goals = (operation: Operation): Goal[] => airlocks(operation).map(of => ({ of, to: HAND_WRITTEN, target: TARGETS[operation] }))

const airlocks = (operation: Operation): string[] => operation === 'visits' ? [...AIRLOCKS, OWN_CHECK] : AIRLOCKS

/** Measures handshakes, or visits, of each peer by turns. */
export async function measure (context: Context, specs: Spec[], operation: Operation): Promise<Samples> {
  const { generator, sizes: { handshakes: count }, keys } = context
  const { servers, notes } = await startServers(specs, context)
  const samples = await interleave(servers, context.sizes, async server => {
    const target = server.target()
    if (operation === 'handshakes') await generator.call('prepareTickets', target)
    return await costOf(server, count, async () => await generator.call(operation, target))
  }, async () => await generator.call('mint', { count, keys }))
  await stopAll(servers)
  samples.notes.unshift(...notes)
  return samples
}

/** How much that is, in words. */
export const how = ({ sizes: { rounds, handshakes } }: Context): string => `${rounds} rounds of ${handshakes} handshakes`

function row (id: string, title: string, operation: Operation): Row {
  return {
    id,
    title,
    column: true,
    against: true,
    async run (context) {
      const samples = await measure(context, specsOf(context, operation === 'visits' ? [...PEERS, OWN_CHECK] : PEERS, true), operation)
      return compare(context, samples, {
        how: how(context), metrics: [CPU, SPEED], metric: CPU, bases: ['bare ws', HAND_WRITTEN], goals: goals(operation)
      })
    }
  }
}

export const handshake = row('handshake', 'Handshake, ticket at hand', 'handshakes')
export const ticket = row('ticket', 'Handshake with the ticket request', 'visits')

export const redis: Row = {
  id: 'redis',
  title: 'Handshake with the ticket request, tickets in Redis',
  against: true,
  async run (context) {
    const redis = await context.redis()
    if ('skip' in redis) return { how: '', columns: [], lines: [], verdicts: [], notes: [redis.skip] }
    const inRedis = specsOf(context, ['airlock']).map(spec => ({
      ...spec, label: spec.label.replace('airlock', 'airlock, Redis'), settings: { redisUrl: redis.url }
    }))
    const specs = context.against === undefined ? [...specsOf(context, ['airlock']), ...inRedis] : inRedis
    return compare(context, await measure(context, specs, 'visits'), {
      how: how(context),
      metrics: [CPU, SPEED],
      metric: CPU,
      bases: ['airlock'],
      goals: [{ of: 'airlock, Redis', to: 'airlock', target: 1.25 }]
    })
  }
}

function algorithmRow (algorithm: Algorithm): Row {
  return {
    id: algorithm.toLowerCase(),
    title: `Handshakes with ${algorithm}`,
    full: true,
    async run (context) {
      const own = { ...context, keys: makeKeys(algorithm) }
      const outcomes: Outcome[] = []
      for (const operation of ['handshakes', 'visits'] as const) {
        const words = operation === 'handshakes' ? 'ticket at hand' : 'with the ticket request'
        const samples = await measure(own, specsOf(context, [HAND_WRITTEN, ...airlocks(operation)]), operation)
        const outcome = compare(context, samples, {
          how: how(context), metrics: [CPU, SPEED], metric: CPU, bases: [HAND_WRITTEN], goals: goals(operation)
        })
        for (const item of outcome.lines) item.peer += `, ${words}`
        for (const item of outcome.verdicts) item.what += `, ${words}`
        outcomes.push(outcome)
      }
      return together(outcomes)
    }
  }
}

/** One table of several. */
export function together (outcomes: Outcome[]): Outcome {
  return {
    ...outcomes[0] as Outcome,
    lines: outcomes.flatMap(({ lines }) => lines),
    verdicts: outcomes.flatMap(({ verdicts }) => verdicts),
    notes: [...new Set(outcomes.flatMap(({ notes }) => notes))]
  }
}

export const rs256 = algorithmRow('RS256')
export const es256 = algorithmRow('ES256')
