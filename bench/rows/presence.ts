import { EventEmitter } from 'node:events'
import wsHub from '@fastify-airlock/hub'
import wsPresence from '@fastify-airlock/presence'
import Fastify, { type FastifyInstance } from 'fastify'
import mqemitter from 'mqemitter'
import type { WebSocket } from 'ws'
import { interleave, type Sample } from '../lib/interleave.js'
import { compare, goalOf, type Row } from '../lib/outcome.js'

const NODES = 3
const USERS = 1_000
const TABS = 3
const CHANGES = 300
const WATCHERS = 10
const CPU = 'CPU of a change, on all nodes, µs'
const BYTES = 'bytes on the bus, of a change'

/** A connection without a network: what is measured is the hub, the bus and who is there. */
class Socket extends EventEmitter {
  readonly OPEN = 1
  readonly extensions = ''
  readyState = 1
  readonly bufferedAmount = 0
  sent = 0

  send (): void {
    this.sent++
  }

  close (): void {
    this.readyState = 3
    this.emit('close')
  }

  terminate (): void {}
}

interface Way { label: string, interval: number }

const WAYS: readonly Way[] = [
  { label: 'changes one by one', interval: 1 },
  { label: 'changes within 250 ms', interval: 250 }
]

const turn = (): Promise<void> => new Promise(resolve => { setTimeout(resolve, 2) })

async function measure ({ interval }: Way): Promise<Sample> {
  const bus = mqemitter({ concurrency: 0 })
  let bytes = 0
  const connect = () => {
    const own = Object.create(bus) as typeof bus
    own.emit = ((message: object, done?: () => void) => {
      bytes += JSON.stringify(message, (_, value) => value?.type === 'Buffer' ? 'x'.repeat(value.data.length) : value).length
      bus.emit(message as never, done)
    }) as never
    return own
  }
  const apps: FastifyInstance[] = []
  for (let n = 0; n < NODES; n++) {
    const app = Fastify()
    await app.register(wsHub, { bus: connect() as never, maxConnectionsPerSubject: Infinity, messageRate: false })
    await app.register(wsPresence, { authorizePresence: () => true, interval, grace: 0, syncInterval: 3_600_000, everyone: false })
    await app.ready()
    while (app.wsHub.health().bus !== 'up') await turn()
    apps.push(app)
  }
  const add = (app: FastifyInstance, subject: string): Socket => {
    const socket = new Socket()
    app.wsHub.add(socket as unknown as WebSocket, { subject } as never)
    app.wsHub.join(socket as unknown as WebSocket, 'room')
    return socket
  }
  // Each user has its tabs on one node.
  for (let n = 0; n < NODES * USERS; n++) for (let tab = 0; tab < TABS; tab++) add(apps[n % NODES] as FastifyInstance, `user ${n}`)
  for (const app of apps) {
    for (let n = 0; n < WATCHERS; n++) {
      const socket = add(app, 'user 0')
      app.wsPresence.accept(socket as unknown as WebSocket)
      socket.emit('message', Buffer.from('{"type":"presence:watch","topics":["room"]}'), false)
    }
  }
  const total = (count: number): boolean => apps.every(app => app.wsPresence.of('room').length === count)
  while (!total(NODES * USERS)) await turn()
  await new Promise(resolve => setTimeout(resolve, 2 * interval + 100))
  bytes = 0
  const before = process.cpuUsage()
  const seen: number[] = []
  for (const app of apps) {
    seen.push(0)
    app.wsPresence.watch('room', ({ here }) => { seen[apps.indexOf(app)]! += here.length })
  }
  for (let n = 0; n < CHANGES; n++) {
    add(apps[n % NODES] as FastifyInstance, `new ${n}`)
    if (interval === 1) await turn()
  }
  while (!seen.every(count => count >= CHANGES)) await turn()
  const { user, system } = process.cpuUsage(before)
  const sample = { [CPU]: (user + system) / CHANGES, [BYTES]: bytes / CHANGES }
  await Promise.all(apps.map(app => app.close()))
  return sample
}

export const presence: Row = {
  id: 'presence',
  title: `A change of who is there: ${NODES} nodes, ${USERS} users of ${TABS} tabs on each`,
  async run (context) {
    const samples = await interleave(WAYS, context.sizes, measure)
    const outcome = compare(context, samples, {
      how: `${context.sizes.rounds} rounds of ${CHANGES} users who come, ${WATCHERS} watchers on each node; the bus is in the process`,
      metrics: [CPU, BYTES],
      metric: CPU,
      bases: ['changes one by one'],
      goals: [{ of: 'changes within 250 ms', to: 'changes one by one', target: 0.5 }]
    })
    if (context.against === undefined) outcome.verdicts.push(...goalOf(samples, 'changes within 250 ms', BYTES, 'bytes', 200, 'bytes on the bus'))
    return outcome
  }
}
