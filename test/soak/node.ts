/** A node of the soak: everything that the preset registers, on a shared ticket store and a shared bus. Its parent talks to it by IPC. */
import airlock, { type HubBus } from 'fastify-airlock'
import { MongoStore } from '@fastify-airlock/ticket/mongodb'
import Fastify from 'fastify'
import { MongoClient } from 'mongodb'
import mqemitterRedis from 'mqemitter-redis'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { getHeapSpaceStatistics } from 'node:v8'
import type { WebSocket } from 'ws'
import type { Message, NodeState, Question, Settings } from './protocol.js'
import { BEAT, MAX_PER_SUBJECT, PATIENT, PUBLISH_EVERY, ROOMS, TICKET_LIFE, TOKEN_LIFE } from './settings.js'

const { name, mongodb, redis, secret, port } = JSON.parse(process.env.SOAK_NODE as string) as Settings
const tell = (message: Message): void => { process.send?.(message) }
// A parent that is gone needs no nodes.
process.on('disconnect', () => process.exit(1))

const client = new MongoClient(mongodb, { maxPoolSize: 10, minPoolSize: 2 })
const emitter = mqemitterRedis({ connectionString: redis })
const bus = emitter as unknown as HubBus & { state?: { on (event: 'error', listener: () => void): void } }
bus.state?.on('error', () => {})

const app = Fastify({
  logger: { level: 'warn', stream: { write: (line: string) => tell({ kind: 'log', line }) } },
  requestTimeout: 60_000,
  connectionTimeout: 60_000,
  forceCloseConnections: true
})
app.addHook('onClose', (_app, done) => emitter.close(done))
await app.register(airlock, {
  jwt: { secret },
  guard: { upgradeTimeout: PATIENT },
  ticket: { store: new MongoStore(client.db('soak'), { timeout: 10_000 }), ttl: TICKET_LIFE, storeTimeout: 10_000, route: { jwt: { cache: { max: 1_000 } } } },
  handshake: { authTimeout: PATIENT, jwt: { cache: { max: 1_000 } } },
  hub: {
    bus,
    busBeat: BEAT,
    orderLife: 5 * 60_000,
    maxConnectionsPerSubject: MAX_PER_SUBJECT,
    onSubjectLimit: 'replace',
    authorizeTopic: () => true,
    onTopicLeft: (socket, { topic }) => send(socket, { type: 'left', topic })
  }
})

function send (socket: WebSocket, message: object): void {
  if (socket.readyState === socket.OPEN) socket.send(JSON.stringify(message))
}

app.post<{ Body: { subject: string, session: string } }>('/login', async ({ body: { subject, session } }) =>
  ({ token: app.jwt.sign({ sub: subject, sid: session }, { expiresIn: TOKEN_LIFE / 1_000 }) }))

app.post<{ Body: { subject: string, session?: string, topic?: string, reason: string } }>('/order', async ({ body: { subject, session, topic, reason } }) => {
  if (topic !== undefined) return { closed: app.wsHub.evict({ subject, topic }), nodes: 0 }
  return await app.wsHub.disconnectAll({ subject, ...(session !== undefined && { session }), reason }, { timeout: 5_000 })
})

for (const [path, options] of Object.entries({ '/both': {}, '/one': { handshake: false as const } })) {
  app.wsRoute<{ Querystring: { room: string } }>(path, { ...options, hub: { topics: ({ query }) => [`room/${query.room}`] } }, socket => {
    let next = 0
    socket.on('message', (data: Buffer) => {
      const { type, n } = JSON.parse(data.toString()) as { type: string, n: number }
      if (type !== 'say') return
      if (n !== next) tell({ kind: 'violation', what: `a client's message ${next} came as ${n}` })
      next = n + 1
      send(socket, { type: 'echo', n })
    })
    tellWhenReady(socket).catch(() => {})
  })
}

/** Messages of other nodes are complete from here on. */
async function tellWhenReady (socket: WebSocket): Promise<void> {
  while (socket.readyState === socket.OPEN && !await app.wsHub.busReady()) await sleep(200)
  send(socket, { type: 'ready' })
}

let publishes = false
const counts = new Map<string, number>()
function numbered (topic: string): object {
  const n = counts.get(topic) ?? 0
  counts.set(topic, n + 1)
  return { type: 'pub', node: name, topic, n, at: Date.now() }
}
setInterval(() => {
  if (!publishes) return
  for (let room = 0; room < ROOMS; room++) app.wsHub.publish(`room/${room}`, numbered(`room/${room}`))
  app.wsHub.broadcast(numbered('all'))
}, PUBLISH_EVERY)

async function state (collect: boolean): Promise<NodeState> {
  if (collect) {
    for (let i = 0; i < 4; i++) {
      global.gc?.()
      await sleep(20)
    }
  }
  const { heapUsed, external, rss } = process.memoryUsage()
  // Compiled code is V8's affair: it grows for as long as something runs often enough to be optimized once more.
  const code = getHeapSpaceStatistics().filter(({ space_name: name }) => name.includes('code')).reduce((sum, { space_used_size: size }) => sum + size, 0)
  return {
    heap: heapUsed - code,
    code,
    external,
    rss,
    sockets: await new Promise(resolve => app.server.getConnections((_error, count) => resolve(count))),
    clients: app.websocketServer.clients.size,
    pending: app.wsGuard.pending,
    connections: app.wsHub.count(),
    bus: app.wsHub.health().bus,
    stats: structuredClone(app.wsHub.stats)
  }
}

process.on('message', ({ id, ask, on }: Question) => {
  if (ask === 'publish') publishes = on === true
  if (ask === 'state') state(on === true).then(state => tell({ kind: 'state', id, state }), () => {})
})

await app.listen({ port, host: '127.0.0.1' })
tell({ kind: 'listening', port: (app.server.address() as AddressInfo).port })
