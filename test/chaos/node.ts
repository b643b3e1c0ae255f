/** A node of the chaos: both doors, the hub and the topics, on one Redis for everything. Its parent talks to it by IPC. */
import { RedisStore } from '@fastify-airlock/ticket/redis'
import wsTopics from '@fastify-airlock/topics'
import { RedisTopicStore } from '@fastify-airlock/topics/redis'
import airlock, { type HubBus } from 'fastify-airlock'
import Fastify from 'fastify'
import { Redis } from 'ioredis'
import mqemitterRedis from 'mqemitter-redis'
import type { AddressInfo } from 'node:net'
import type { Message, Question, Settings } from './protocol.js'
import { CLIENTS, GAP_TIMEOUT, PATIENT, SIZES } from './settings.js'

const { redis, secret, port, topics } = JSON.parse(process.env.CHAOS_NODE as string) as Settings
const tell = (message: Message): void => { process.send?.(message) }
// A parent that is gone needs no nodes.
process.on('disconnect', () => process.exit(1))

const client = new Redis(redis, { maxRetriesPerRequest: 0, socketTimeout: 5_000 })
client.on('error', () => {})
const bus = mqemitterRedis({ connectionString: redis }) as unknown as HubBus & { state?: { on (event: 'error', listener: () => void): void } }
bus.state?.on('error', () => {})

const app = Fastify({
  logger: { level: 'warn', stream: { write: (line: string) => tell({ kind: 'log', line }) } },
  trustProxy: '127.0.0.1',
  forceCloseConnections: true
})
await app.register(airlock, {
  jwt: { secret },
  // All clients have one address.
  guard: { upgradeTimeout: PATIENT, pendingPerAddress: 2 * CLIENTS },
  ticket: { store: new RedisStore(client), ttl: PATIENT },
  handshake: { authTimeout: PATIENT, pendingPerAddress: 2 * CLIENTS, alive: 3_000 },
  hub: { bus, busBeat: 1_000, authorizeTopic: () => true }
})
if (topics) {
  await app.register(wsTopics, {
    store: new RedisTopicStore(client),
    topics: Object.fromEntries(Object.entries(SIZES).map(([level, size]) => [`${level}/+`, { history: { size, ttl: 3_600_000 } }])),
    authorizePublish: () => true,
    gapTimeout: GAP_TIMEOUT,
    headInterval: 1_000
  })
}

app.get('/healthz', () => ({ status: 'ok' }))
app.wsRoute<{ Querystring: { topics?: string } }>('/ws', {
  hub: { topics: ({ query }) => query.topics?.split(',') ?? [] }
}, () => {})

process.on('message', ({ id, topic, data, key }: Question) => {
  if (topics) {
    app.wsTopics.publish(topic, data, { id: key }).then(
      ({ position }) => tell({ kind: 'published', id, position }),
      (error: { code?: string }) => tell({ kind: 'failed', id, code: error.code ?? String(error) })
    )
  } else {
    app.wsHub.publish(topic, data)
    tell({ kind: 'published', id })
  }
})

await app.listen({ port, host: '127.0.0.1' })
tell({ kind: 'listening', port: (app.server.address() as AddressInfo).port })
