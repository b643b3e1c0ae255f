/** A node that tells its parent over IPC what it knows of the others. */
import { RedisConnectionCounter } from '@fastify-airlock/hub/redis'
import wsHub, { type HubBus } from '@fastify-airlock/hub'
import { RedisRateCounter } from '@fastify-airlock/ticket/redis'
import websocket from '@fastify/websocket'
import Fastify from 'fastify'
import { Redis } from 'ioredis'
import mqemitterRedis from 'mqemitter-redis'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'

export interface Settings { redis: string, prefix: string, beat: number, limit: number }

/** What the parent asks for; `kind` names what is done. */
export interface Request { id: number, kind: 'nodes' | 'countAll' | 'tell' | 'take' | 'health', data?: unknown }

/** What a node tells its parent. */
export type Said =
  | { kind: 'ready', node: string, port: number }
  | { kind: 'change', id: string, state: 'here' | 'gone' }
  | { kind: 'heard', data: unknown, from: string }
  | { kind: 'answer', id: number, value: unknown }

const { redis, prefix, beat, limit } = JSON.parse(process.env.AIRLOCK_NODE as string) as Settings
const say = (said: Said): void => { process.send?.(said) }
// A parent that is gone needs no nodes.
process.on('disconnect', () => process.exit(1))

const client = new Redis(redis, { maxRetriesPerRequest: 0, socketTimeout: 5_000 })
client.on('error', () => {})
if (client.status !== 'ready') await once(client, 'ready')
const bus = mqemitterRedis({ connectionString: redis }) as unknown as HubBus
const rate = new RedisRateCounter(client, { prefix: `${prefix}rate:` })

const app = Fastify({ forceCloseConnections: true })
await app.register(websocket)
await app.register(wsHub, {
  bus,
  busPrefix: prefix.replace(/:$/, ''),
  busBeat: beat,
  maxConnectionsPerSubject: limit,
  connectionCounter: new RedisConnectionCounter(client, { prefix: `${prefix}places:` })
})
app.get<{ Params: { subject: string } }>('/ws/:subject', { websocket: true }, (socket, { params: { subject } }) => { app.wsHub.add(socket, { subject }) })

const actions: Record<Request['kind'], (data: unknown) => unknown> = {
  nodes: async () => (await app.wsHub.nodes({ timeout: 1_000 })).map(({ id }) => id).sort(),
  countAll: async () => await app.wsHub.countAll(undefined, { timeout: 1_000 }),
  tell: data => app.wsHub.tell('chat', data),
  take: async subject => await rate.take(subject as string, 3, 600_000),
  health: () => app.wsHub.health()
}
process.on('message', async ({ id, kind, data }: Request) => { say({ kind: 'answer', id, value: await actions[kind](data) ?? null }) })

app.wsHub.on('chat', (data, { node }) => say({ kind: 'heard', data, from: node }))
await app.listen({ port: 0, host: '127.0.0.1' })
await app.wsHub.busReady()
say({ kind: 'ready', node: app.wsHub.node, port: (app.server.address() as AddressInfo).port })
app.wsHub.onNodes(({ id, state }) => say({ kind: 'change', id, state }))
