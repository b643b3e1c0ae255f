import fastifyJwt from '@fastify/jwt'
import rateLimit from '@fastify/rate-limit'
import websocket from '@fastify/websocket'
import { websocketOptions } from '@fastify-airlock/core'
import wsGuard from '@fastify-airlock/guard'
import wsHandshake, { type WsHandler, type WsHandshakeOptions } from '@fastify-airlock/handshake'
import wsHub, { type WsHubOptions } from '@fastify-airlock/hub'
import wsPresence, { type WsPresenceOptions } from '@fastify-airlock/presence'
import wsTickets, { type WsTicketsOptions } from '@fastify-airlock/ticket'
import wsTopics, { type WsTopicsOptions } from '@fastify-airlock/topics'
import Fastify from 'fastify'
import { JSDOM } from 'jsdom'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import { WebSocket as Undici } from 'undici'
import { WebSocket as Undici6 } from 'undici-6'
import { WebSocket as Ws } from 'ws'
import { connect, type ConnectOptions, type WebSocketConstructor } from '../src/index.js'
import { connectTopics, type TopicsConnection } from '../src/topics/index.js'
import { watch } from './helpers.js'

/** The WebSockets of `ws`, of Node 22 and 24 (undici), and of jsdom. */
export const implementations: Record<string, (base: string) => WebSocketConstructor> = {
  ws: () => Ws,
  'undici 6': () => Undici6 as unknown as WebSocketConstructor,
  'undici 7': () => Undici as unknown as WebSocketConstructor,
  jsdom: base => new JSDOM('', { url: base }).window.WebSocket
}

export interface Setup {
  port?: number
  tickets?: WsTicketsOptions
  handshake?: WsHandshakeOptions
  hub?: WsHubOptions
  /** Registers the plugin for topics. */
  topics?: WsTopicsOptions
  /** Registers the plugin that shows who is there. */
  presence?: WsPresenceOptions
  /** In place of an echo. */
  handler?: WsHandler
  /** Whether the ticket route has a rate limit. */
  limited?: boolean
  /** How long clients are told to wait at a restart, in milliseconds. */
  jitter?: number
}

const echo: WsHandler = socket => {
  socket.on('message', (data, isBinary) => socket.send(data as Buffer, { binary: isBinary }))
}

/** A server with both doors that echoes every message. */
export async function serve (
  t: Test, { port = 0, tickets = {}, handshake = {}, hub = {}, topics, presence, handler = echo, limited = false, jitter = 1 }: Setup = {}
) {
  const app = Fastify({ forceCloseConnections: true })
  t.teardown(() => app.close())
  await app.register(websocket, websocketOptions())
  if (limited) await app.register(rateLimit, { global: false })
  await app.register(wsGuard)
  await app.register(fastifyJwt, { secret: 'a secret for tests that is long enough' })
  await app.register(wsTickets, tickets)
  await app.register(wsHandshake)
  await app.register(wsHub, { drain: { jitter }, ...hub })
  if (presence) await app.register(wsPresence, presence)
  if (topics) {
    await app.register(wsTopics, topics)
    app.get('/topics', { websocket: true }, socket => {
      app.wsHub.add(socket, { subject: 'alice', claims: {}, expiresAt: null })
      app.wsTopics.accept(socket)
    })
  }
  app.get('/ws', { websocket: true, preValidation: app.wsGuard() }, app.wsHandshake(handler, handshake))
  app.get('/elsewhere', { websocket: true, preValidation: app.wsGuard({ allowedOrigins: [() => false], missingOrigin: 'deny' }) }, app.wsHandshake(() => {}))
  app.get('/cookie', { websocket: true, preValidation: app.wsGuard() }, socket => { socket.send('"no second door"') })
  await app.listen({ port, host: '127.0.0.1' })
  return { app, port: (app.server.address() as AddressInfo).port }
}

/** A client of that server. Alice is logged in, and her JWTs live for `life` seconds. */
export function dial (t: Test, { app, port }: Awaited<ReturnType<typeof serve>>, options: Partial<ConnectOptions<any, any>> = {}, life = 60, connectWith = connect<any, any>) {
  const base = `http://127.0.0.1:${port}`
  const spent: string[] = []
  let jti = 0
  const sign = (sub = 'alice'): string => app.jwt.sign({ sub, jti: `${jti++}` }, { expiresIn: life })
  const connection = connectWith({
    url: `${base}/ws`,
    WebSocket: Ws,
    getTicket: async ({ signal }) => {
      const headers = { authorization: `Bearer ${sign()}` }
      const response = await fetch(`${base}/ws/ticket`, { method: 'POST', headers, signal })
      if (response.ok) spent.push((await response.clone().json() as { ticket: string }).ticket)
      return response
    },
    getToken: () => sign(),
    reconnect: { min: 20, max: 200 },
    random: () => 0.5,
    ...options
  })
  t.teardown(() => { connection.close() })
  return { connection, seen: watch(connection), spent, base, sign }
}

/** Like {@link dial}, with topics. */
export function dialTopics (...[t, server, options = {}, life]: Parameters<typeof dial>) {
  return dial(t, server, options, life, connectTopics<any, any>) as ReturnType<typeof dial> & { connection: TopicsConnection<any, any> }
}
