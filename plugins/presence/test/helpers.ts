import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import websocket from '@fastify/websocket'
import { websocketOptions } from '@fastify-airlock/core'
import wsHub, { type HubBus, type HubIdentity, type WsHubOptions } from '@fastify-airlock/hub'
import Fastify, { type FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { WebSocket } from 'ws'
import wsPresence, { type WsPresenceOptions } from '../src/index.js'
import { until } from '../../../test/time.js'

export { until }

export interface BuildOptions {
  hub?: WsHubOptions
  presence?: WsPresenceOptions
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
  /** Watches a topic, and returns the answer. */
  watch (topic: string): Promise<Message>
  /** Waits until the client, going by what it has been told, knows of exactly these users. */
  sees (topic: string, users: Record<string, unknown>): Promise<void>
  /** Resolves once everything has come that was sent before. */
  settle (): Promise<void>
  close (): Promise<void>
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
  await app.register(wsPresence, { authorizePresence: () => true, interval: 1, ...presence })
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
    async watch (topic) {
      client.send({ type: 'presence:watch', topics: [topic] })
      return await client.next(message => (message.type === 'presence:list' || message.type === 'presence:refused') && message.topic === topic)
    },
    async sees (topic, users) {
      const wanted = JSON.stringify(Object.entries(users).sort())
      while (JSON.stringify(Object.entries(shown(all, topic)).sort()) !== wanted) await new Promise<void>(resolve => { waiting.push(resolve) })
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
