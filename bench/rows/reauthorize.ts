import { EventEmitter } from 'node:events'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import wsHub from '@fastify-airlock/hub'
import Fastify, { type FastifyInstance } from 'fastify'
import type { WebSocket } from 'ws'
import { interleave, type Sample } from '../lib/interleave.js'
import { compare, goalOf, type Row } from '../lib/outcome.js'

const CONNECTIONS = 100
const TOPICS = 100
const ALL = 'CPU of all, ms'
const STOP = 'longest stop, ms'

/** An application whose answer is there at once, or that has to look it up. */
interface Way { label: string, authorizeTopic: () => boolean | Promise<boolean> }

const WAYS: readonly Way[] = [
  { label: 'answered at once', authorizeTopic: () => true },
  { label: 'answered later', authorizeTopic: async () => true }
]

/** A connection without a network: what is measured is the hub. */
class Socket extends EventEmitter {
  readonly extensions = ''
  readonly readyState = 1
  readonly bufferedAmount = 0

  close (): void {
    this.emit('close')
  }

  terminate (): void {}
}

async function start ({ authorizeTopic }: Way): Promise<FastifyInstance> {
  const app = Fastify()
  await app.register(wsHub, { authorizeTopic, maxTopicsPerConnection: TOPICS })
  for (let user = 0; user < CONNECTIONS; user++) {
    const socket = new Socket() as unknown as WebSocket
    app.wsHub.add(socket, { subject: `user ${user}` } as never)
    for (let topic = 0; topic < TOPICS; topic++) await app.wsHub.requestJoin(socket, `topic/${topic}`)
  }
  return app
}

async function measure (way: Way): Promise<Sample> {
  const app = await start(way)
  const stops = monitorEventLoopDelay({ resolution: 1 })
  // Whatever came before has had its turn.
  await new Promise(resolve => setTimeout(resolve, 20))
  stops.enable()
  const before = process.cpuUsage()
  const { kept } = await app.wsHub.reauthorize({ topic: '#', wildcard: true })
  const { user, system } = process.cpuUsage(before)
  await new Promise(resolve => setTimeout(resolve, 20))
  stops.disable()
  await app.close()
  if (kept !== CONNECTIONS * TOPICS) throw new Error(`only ${kept} were asked about`)
  return { [ALL]: (user + system) / 1000, [STOP]: stops.max / 1e6 }
}

export const reauthorize: Row = {
  id: 'reauthorize',
  title: '10,000 topics asked again',
  async run (context) {
    const samples = await interleave(WAYS, context.sizes, measure)
    const outcome = compare(context, samples, {
      how: `${context.sizes.rounds} rounds of ${CONNECTIONS} connections with ${TOPICS} topics each`,
      metrics: [ALL, STOP],
      metric: ALL,
      bases: [],
      goals: []
    })
    if (context.against === undefined) {
      for (const { label } of WAYS) outcome.verdicts.push(...goalOf(samples, label, ALL, 'ms', 1_000, `CPU, ${label}`))
    }
    return outcome
  }
}
