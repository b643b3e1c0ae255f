import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import websocket from '@fastify/websocket'
import { websocketOptions } from '@fastify-airlock/core'
import wsHub, { type HubBus, type HubIdentity, type WsHubOptions } from '@fastify-airlock/hub'
import Fastify, { type FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { WebSocket } from 'ws'
import wsTopics, { type WsTopicsOptions } from '../src/index.js'
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

/** A message that a client has got. */
export type Message = Record<string, any>

/** One connection, seen from its client. */
export interface Client {
  socket: WebSocket
  /** Everything that has come so far. */
  all: Message[]
  send (message: unknown): void
  /** Waits for the next message that fits, and takes it and those before it out. */
  next (isMeant?: (message: Message) => boolean): Promise<Message>
  /** The next message of a type. */
  of (type: string): Promise<Message>
  subscribe (topic: string, since?: object): Promise<Message>
  /** Resolves once everything has come that was sent before. */
  settle (): Promise<void>
  close (): Promise<void>
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
  const all: Message[] = []
  let waiting: Array<() => void> = []
  let at = 0
  socket.on('message', data => {
    all.push(JSON.parse(data.toString()))
    for (const wake of waiting.splice(0)) wake()
  })
  const client: Client = {
    socket,
    all,
    send: message => socket.send(typeof message === 'string' ? message : JSON.stringify(message)),
    async next (isMeant = () => true) {
      while (true) {
        while (at < all.length) {
          const message = all[at++] as Message
          if (isMeant(message)) return message
        }
        await new Promise<void>(resolve => { waiting.push(resolve) })
      }
    },
    of: type => client.next(message => message.type === type),
    async subscribe (topic, since) {
      client.send({ type: 'topic:subscribe', topics: [{ topic, since }] })
      return await client.next(message => (message.type === 'topic:subscribed' || message.type === 'topic:refused') && message.topic === topic)
    },
    async settle () {
      socket.ping()
      await once(socket, 'pong')
    },
    async close () {
      socket.close()
      await once(socket, 'close')
    }
  }
  waiting = []
  return client
}

/** Several nodes on one bus, all connected. */
export async function nodes (t: Test, count: number, connect: () => HubBus, options: BuildOptions = {}) {
  return await Promise.all(Array.from({ length: count }, async () => {
    const node = await build(t, { ...options, hub: { ...options.hub, bus: connect() } })
    await until(() => node.app.wsHub.health().bus === 'up')
    return node
  }))
}
