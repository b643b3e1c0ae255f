/** What an application on Fastify writes. It has the plugins installed, and not what they depend on. */
import fastifyJwt from '@fastify/jwt'
import websocket from '@fastify/websocket'
import wsGuard, { type AuditEvent, jwt, logSerializers, notFoundHandler, ticket, websocketOptions, type WsIdentity } from '@fastify-airlock/guard'
import wsHandshake, { WSA_HANDSHAKE_ERR_OPTION } from '@fastify-airlock/handshake'
import wsHeartbeat from '@fastify-airlock/heartbeat'
import wsHub, { WSA_HUB_ERR_DATA_SIZE, WSA_HUB_ERR_INVALID_TOPIC, type HubIdentity, type WsHub } from '@fastify-airlock/hub'
import wsIntrospect, { WSA_INTROSPECT_ERR_UNAVAILABLE } from '@fastify-airlock/introspect'
import { createMetrics } from '@fastify-airlock/metrics'
import wsProxy from '@fastify-airlock/proxy'
import { testNodes, testServer, Trouble, WSA_TESTING_ERR_REFUSED, type Connection } from '@fastify-airlock/testing'
import wsTickets, { MemoryStore, WSA_TICKET_ERR_STORE_FULL, type TicketStore } from '@fastify-airlock/ticket'
import { MongoStore } from '@fastify-airlock/ticket/mongodb'
import { PostgresStore } from '@fastify-airlock/ticket/postgres'
import { RedisStore } from '@fastify-airlock/ticket/redis'
import wsTopics, { type Published, type TopicStore as Topics, WSA_TOPICS_ERR_CONFLICT } from '@fastify-airlock/topics'
import { testTopicStore } from '@fastify-airlock/topics/contract'
import { PostgresTopicStore } from '@fastify-airlock/topics/postgres'
import { RedisTopicStore } from '@fastify-airlock/topics/redis'
import Fastify, { type FastifyInstance } from 'fastify'
import type { Admin } from './claims.js'
import { expectType } from './expect.js'

const app: FastifyInstance = Fastify({ logger: { serializers: logSerializers() } })
app.setNotFoundHandler(notFoundHandler())
await app.register(websocket, websocketOptions())
await app.register(wsGuard, { allowedOrigins: ['https://app.example.com'] })
await app.register(fastifyJwt, { secret: 'a secret of the consumer, 32 characters or more' })
await app.register(wsTickets, { store: new MemoryStore({ max: 10 }), route: { path: '/ticket' } })
await app.register(wsHandshake, { authorize: identity => identity.claims.role === 'admin' })
await app.register(wsHub, {
  maxConnections: 10,
  authorizeTopic: ({ subject, claims }, topic) => topic === `user/${subject}` || claims.role === 'admin'
})
await app.register(wsTopics, {
  topics: { 'user/+': { history: { size: 100, ttl: 60_000 } } },
  authorizePublish: ({ subject }, topic, { data, id }) => topic === `user/${subject}` && typeof data === 'object' && expectType<string>(id) !== ''
})
expectType<Published>(await app.wsTopics.publish('user/alice', { text: 'hello' }, { id: 'one', history: false }))
// @ts-expect-error A history has a time.
await app.register(wsTopics, { topics: { news: { history: { size: 1 } } } })
await app.register(wsHeartbeat, { interval: 10_000 })
await app.register(wsProxy)
await app.register(wsIntrospect, { lookup: async token => ({ subject: token, claims: { role: 'user', tenant: 1 } }) })

app.get('/ws', {
  websocket: true,
  preValidation: app.wsGuard({ authenticate: [ticket(), jwt({ cookie: 'session' })] })
}, app.wsHandshake((socket, { wsIdentity }) => {
  expectType<WsIdentity>(wsIdentity)
  expectType<Admin>(wsIdentity.claims)
  // Typed as ws types it, without a type from the consumer.
  socket.on('message', (data, isBinary) => {
    expectType<boolean>(isBinary)
    app.wsHub.broadcast({ text: String(data) }, { except: socket, filter: ({ claims }) => claims.role === 'admin' })
  })
}, { authTimeout: 1000 }))

app.get('/plain', { websocket: true, preValidation: app.wsIntrospect.authenticate }, (socket, request) => {
  expectType<WsIdentity | null>(request.wsIdentity)
  // @ts-expect-error Nobody has said yet who it is.
  app.wsHub.add(socket, request.wsIdentity)
  // @ts-expect-error The claims were merged, so the hub wants them.
  app.wsHub.add(socket, { subject: 'alice' })
  app.wsHub.add(socket, { subject: 'alice', claims: { role: 'user', tenant: 1 } })
  app.wsIntrospect.watch(socket, request)
  app.wsHeartbeat.watch(socket, request.raw)
})

// @ts-expect-error A hook is made by a call.
app.get('/uncalled', { websocket: true, preValidation: app.wsGuard }, () => {})
// @ts-expect-error No such option.
await app.register(wsGuard, { origins: [] })

export function explain (error: unknown): string {
  if (error instanceof WSA_HUB_ERR_INVALID_TOPIC) return expectType<'WSA_HUB_ERR_INVALID_TOPIC'>(error.code)
  if (error instanceof WSA_HUB_ERR_DATA_SIZE) return expectType<'WSA_HUB_ERR_DATA_SIZE'>(error.code)
  if (error instanceof WSA_HANDSHAKE_ERR_OPTION) return expectType<'WSA_HANDSHAKE_ERR_OPTION'>(error.code)
  if (error instanceof WSA_INTROSPECT_ERR_UNAVAILABLE) return `${expectType<number>(error.retryAfter)} ${error.headers['retry-after']}`
  if (error instanceof WSA_TICKET_ERR_STORE_FULL) return expectType<'WSA_TICKET_ERR_STORE_FULL'>(error.code)
  if (error instanceof WSA_TOPICS_ERR_CONFLICT) return expectType<'WSA_TOPICS_ERR_CONFLICT'>(error.code)
  return 'unknown'
}

export const { registry } = createMetrics(app, { decisions: true })

/** What the audit trail says of a refusal. */
export function audit (event: AuditEvent): string {
  if (event.type === 'topic.evicted') return expectType<string>(event.topic)
  return event.type === 'auth.refused' ? `${expectType<number>(event.code)} ${event.reason}` : event.id
}

export function stores (mongo: ConstructorParameters<typeof MongoStore>[0], pool: ConstructorParameters<typeof PostgresStore>[0], redis: ConstructorParameters<typeof RedisStore>[0]): TicketStore[] {
  return [new MongoStore(mongo), new PostgresStore(pool), new RedisStore(redis)]
}

export function topicStores (pool: ConstructorParameters<typeof PostgresTopicStore>[0], redis: ConstructorParameters<typeof RedisTopicStore>[0]): Topics[] {
  return [new PostgresTopicStore(pool), new RedisTopicStore(redis, { prefix: 'chat:' })]
}

export const contract = testTopicStore

/** A test. */
export async function tested (): Promise<number> {
  const server = await testServer(app, { transport: 'port' })
  const connection: Connection = await server.device('alice').open('/ws', { doors: 'both' })
  await connection.never({ from: /./ }, { before: { type: 'end' } })
  const { nodes } = await testNodes(2, () => app)
  expectType<FastifyInstance | undefined>(nodes[0]?.app)
  expectType<MemoryStore>(new Trouble().of(new MemoryStore()))
  const error: unknown = await connection.closed
  return error instanceof WSA_TESTING_ERR_REFUSED && expectType<'WSA_TESTING_ERR_REFUSED'>(error.code) ? error.status : server.app.wsHub.count()
}

/** A plugin that gets the hub from elsewhere. */
export function admins (hub: WsHub, identity: HubIdentity): number {
  expectType<Admin>(identity.claims)
  return hub.publish('news', 'hello', { filter: ({ claims }) => claims.tenant === 1, local: true })
}
