import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import websocket from '@fastify/websocket'
import { websocketOptions } from '@fastify-airlock/core'
import wsHub, { type HubBus, type HubIdentity, type WsHubOptions } from '@fastify-airlock/hub'
import Fastify, { type FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { WebSocket } from 'ws'
import wsPresence, { type WsPresenceOptions } from '../src/index.js'
import { type ExtensionClient, extensionClient, type Message } from '../../../test/extension-client.js'
import { until } from '../../../test/time.js'

export { until }

export interface BuildOptions {
  hub?: WsHubOptions
  presence?: WsPresenceOptions
  /** Adds to the server before it listens. */
  before?: (app: FastifyInstance) => void | Promise<void>
}

/** One connection, seen from its client. */
export interface Client extends ExtensionClient {
  /** Watches a topic, and returns the answer. */
  watch (topic: string): Promise<Message>
  /** Waits until the client, going by what it has been told, knows of exactly these users. */
  sees (topic: string, users: Record<string, unknown>): Promise<void>
}

/**
 * A listening server with a route of one door: `?subject=…&topics=a,b` adds the socket to the hub, has it join topics and turns the extension
 * on. Everybody may see everything, unless the options say something else.
 */
export async function build (t: Test, { hub = {}, presence = {}, before }: BuildOptions = {}) {
  const app: FastifyInstance = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket, websocketOptions({ closeTimeout: 30_000 }))
  await app.register(wsHub, { authorizeTopic: () => true, maxConnectionsPerSubject: Infinity, closeTimeout: 30_000, ...hub })
  await app.register(wsPresence, { authorizePresence: () => true, reportInterval: 1, ...presence })
  const heard: string[] = []
  const sockets: WebSocket[] = []
  const identities: HubIdentity[] = []
  app.get<{ Querystring: { subject?: string, topics?: string, expiresAt?: string } }>('/ws', { websocket: true }, (socket, { query }) => {
    const { subject = 'alice', topics = '', expiresAt } = query
    const identity = { subject, claims: {}, expiresAt: expiresAt === undefined ? null : Number(expiresAt) }
    identities.push(identity)
    sockets.push(socket)
    app.wsHub.add(socket, identity)
    for (const topic of topics.split(',').filter(Boolean)) app.wsHub.join(socket, topic)
    app.wsPresence.accept(socket)
    socket.on('message', data => { heard.push(data.toString()) })
  })
  await before?.(app)
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const connect = (subject = 'alice', topics = '', more: Record<string, string> = {}): Promise<Client> =>
    connectTo(t, `ws://127.0.0.1:${port}/ws?${new URLSearchParams({ subject, topics, ...more })}`)
  return { app, port, connect, heard, sockets, identities, presence: app.wsPresence, hub: app.wsHub }
}

export async function connectTo (t: Test, url: string): Promise<Client> {
  const socket = new WebSocket(url)
  t.teardown(() => socket.terminate())
  const client = clientOf(socket)
  await once(socket, 'open')
  return client
}

export function clientOf (socket: WebSocket): Client {
  const client = extensionClient(socket)
  const sorted = (users: Record<string, unknown>): string => JSON.stringify(Object.entries(users).sort())
  return {
    ...client,
    watch: topic => client.ask({ type: 'presence:watch', topics: [topic] }, topic, 'presence:list', 'presence:refused'),
    sees: (topic, users) => client.until(() => sorted(shown(client.all, topic)) === sorted(users))
  }
}

/** Whom a client knows of, going by what it has been told: connections, or connections and state. */
export function shown (all: Message[], topic: string): Record<string, unknown> {
  const users = new Map<string, unknown>()
  for (const message of all) {
    if (message.topic !== topic) continue
    if (message.type === 'presence:list') users.clear()
    for (const { subject, connections, state } of message.here ?? []) users.set(subject, state === undefined ? connections : [connections, state])
    for (const subject of message.gone ?? []) users.delete(subject)
  }
  return Object.fromEntries(users)
}

/** Several nodes on one bus, all connected. */
export async function nodes (t: Test, count: number, connect: () => HubBus, options: BuildOptions = {}) {
  return await Promise.all(Array.from({ length: count }, async () => {
    const node = await build(t, { ...options, hub: { ...options.hub, bus: connect() } })
    await until(() => node.app.wsHub.health().bus === 'up')
    return node
  }))
}
