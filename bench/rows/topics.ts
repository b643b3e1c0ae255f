import wsHub from '@fastify-airlock/hub'
import wsTopics from '@fastify-airlock/topics'
import Fastify, { type FastifyInstance } from 'fastify'
import { interleave, type Sample } from '../lib/interleave.js'
import { enter, QuietSocket } from '../lib/quiet-socket.js'
import { compare, goalOf, type Row } from '../lib/outcome.js'

const CONNECTIONS = 1_000
/** Publications of a round, each in a turn of the event loop of its own. */
const MESSAGES = 2_000
const MISSED = 10
const CPU = 'CPU of a delivery, ns'
const RESUME = 'CPU of a return, µs'

interface Way { label: string, history: boolean, publish: (app: FastifyInstance, data: object) => unknown }

const DATA = { type: 'topic:message', topic: 'news', data: { text: 'x'.repeat(100) } }

const WAYS: readonly Way[] = [
  { label: 'publish of the hub', history: false, publish: (app, data) => app.wsHub.publish('news', data) },
  { label: 'topic without history', history: false, publish: (app, { data }: any) => app.wsTopics.publish('news', data) },
  { label: 'topic with history, in memory', history: true, publish: (app, { data }: any) => app.wsTopics.publish('news', data) }
]

async function start (history: boolean): Promise<{ app: FastifyInstance, sockets: QuietSocket[] }> {
  const app = Fastify()
  await app.register(wsHub, { authorizeTopic: () => true, maxConnectionsPerSubject: Infinity, messageRate: false })
  await app.register(wsTopics, { topics: history ? { '#': { history: { size: 100, ttl: 60_000 } } } : {} })
  const sockets = Array.from({ length: CONNECTIONS }, () => new QuietSocket())
  for (const socket of sockets) {
    enter(app, socket)
    socket.ask('news')
  }
  await answers(sockets, 1)
  return { app, sockets }
}

async function answers (sockets: readonly QuietSocket[], count: number): Promise<void> {
  while (sockets.some(({ sent }) => sent < count)) await new Promise(resolve => setImmediate(resolve))
}

async function measure ({ history, publish }: Way): Promise<Sample> {
  const { app, sockets } = await start(history)
  const before = process.cpuUsage()
  for (let n = 0; n < MESSAGES; n++) {
    await publish(app, DATA)
    await new Promise(resolve => setImmediate(resolve))
  }
  await answers(sockets, 1 + MESSAGES)
  const { user, system } = process.cpuUsage(before)
  let resume = NaN
  if (history) {
    const { epoch, offset } = await app.wsTopics.position('news') as { epoch: string, offset: number }
    const before = process.cpuUsage()
    for (const socket of sockets) socket.ask('news', { epoch, offset: offset - MISSED })
    await answers(sockets, 2 + MESSAGES)
    const { user, system } = process.cpuUsage(before)
    resume = (user + system) / CONNECTIONS
  }
  await app.close()
  return { [CPU]: (user + system) * 1_000 / (MESSAGES * CONNECTIONS), [RESUME]: resume }
}

export const topics: Row = {
  id: 'topics',
  title: 'Publication to a topic of 1,000, and return of 1,000 who missed ten messages',
  async run (context) {
    const samples = await interleave(WAYS, context.sizes, measure)
    const outcome = compare(context, samples, {
      how: `${context.sizes.rounds} rounds of ${MESSAGES} publications to ${CONNECTIONS} subscribers`,
      metrics: [CPU, RESUME],
      metric: CPU,
      bases: ['publish of the hub'],
      goals: [
        { of: 'topic without history', to: 'publish of the hub', target: 1.10 },
        { of: 'topic with history, in memory', to: 'publish of the hub', target: 1.20 }
      ]
    })
    if (context.against === undefined) outcome.verdicts.push(...goalOf(samples, 'topic with history, in memory', RESUME, 'µs', 100, 'CPU of a return'))
    return outcome
  }
}
