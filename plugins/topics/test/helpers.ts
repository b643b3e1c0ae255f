import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import websocket from '@fastify/websocket'
import { websocketOptions } from '@fastify-airlock/core'
import wsHub, { type HubBus, type HubIdentity, type WsHubOptions } from '@fastify-airlock/hub'
import Fastify, { type FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { WebSocket } from 'ws'
import wsTopics, { type WsTopicsOptions } from '../src/index.js'
import { type ExtensionClient, extensionClient, type Message } from '../../../test/extension-client.js'
import { until } from '../../../test/time.js'

export { until }

export interface BuildOptions {
  hub?: WsHubOptions
  topics?: WsTopicsOptions
  /** Called once there is a hub, before there are topics. */
  between?: (app: FastifyInstance) => void
  /** Adds to the server before it listens. */
  before?: (app: FastifyInstance) => void | Promise<void>
}

/** One connection, seen from its client. */
export interface Client extends ExtensionClient {
  subscribe (topic: string, since?: object): Promise<Message>
}

export const HISTORY = { size: 100, ttl: 60_000 }

/**
 * A listening server with a route of one door: `?subject=…&claims=…` adds the socket to the hub and turns the extension on.
 * Everybody may join everything, unless the options say something else.
 */
export async function build (t: Test, { hub = {}, topics = {}, between, before }: BuildOptions = {}) {
  const app: FastifyInstance = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket, websocketOptions({ closeTimeout: 30_000 }))
  await app.register(wsHub, { authorizeTopic: () => true, maxConnectionsPerSubject: Infinity, closeTimeout: 30_000, ...hub })
  between?.(app)
  await app.register(wsTopics, topics)
  const heard: string[] = []
  const sockets: WebSocket[] = []
  const identities: HubIdentity[] = []
  app.get<{ Querystring: { subject?: string, claims?: string, expiresAt?: string } }>('/ws', { websocket: true }, (socket, { query }) => {
    const { subject = 'alice', claims = '{}', expiresAt } = query
    const identity = { subject, claims: JSON.parse(claims), expiresAt: expiresAt === undefined ? null : Number(expiresAt) }
    identities.push(identity)
    sockets.push(socket)
    app.wsHub.add(socket, identity)
    app.wsTopics.accept(socket)
    socket.on('message', data => { heard.push(data.toString()) })
  })
  await before?.(app)
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const connect = (query: Record<string, string> = {}): Promise<Client> => connectTo(t, `ws://127.0.0.1:${port}/ws?${new URLSearchParams(query)}`)
  return { app, port, connect, heard, sockets, identities, topics: app.wsTopics }
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
  return {
    ...client,
    subscribe: (topic, since) => client.ask({ type: 'topic:subscribe', topics: [{ topic, since }] }, topic, 'topic:subscribed', 'topic:refused')
  }
}

/** Several nodes on one bus, all connected. */
export async function nodes (t: Test, count: number, connect: () => HubBus, options: BuildOptions = {}) {
  return await Promise.all(Array.from({ length: count }, async () => {
    const node = await build(t, { ...options, hub: { ...options.hub, bus: connect() } })
    await until(() => node.app.wsHub.health().bus === 'up')
    return node
  }))
}
