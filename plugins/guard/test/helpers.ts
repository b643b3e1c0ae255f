import websocket from '@fastify/websocket'
import { websocketOptions } from '@fastify-airlock/core'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import net, { type AddressInfo } from 'node:net'
import type { Test } from 'tap'
import { type ClientOptions, WebSocket } from 'ws'
import wsGuard, { type GuardPluginOptions } from '../src/index.js'

export { clock, until } from '../../../test/time.js'

export const TICKET = 'A'.repeat(43)

/** A fake of `fastify.wsTickets` that records its calls. */
export function fakeTickets (...valid: string[]) {
  const live = new Set(valid)
  const asked: Array<{ ticket: string, context: object }> = []
  return {
    asked,
    live,
    async redeem (ticket: string, context: object) {
      asked.push({ ticket, context })
      return live.delete(ticket) ? { subject: 'u1', claims: { room: 1 }, expiresAt: 1 } : null
    }
  }
}

/** The fake tickets of a server made by {@link build}. */
export const ticketsOf = (app: FastifyInstance) => (app as unknown as { wsTickets: ReturnType<typeof fakeTickets> }).wsTickets

export interface BuildOptions {
  server?: FastifyServerOptions
  guard?: GuardPluginOptions
  /** Whether ws offers permessage-deflate. */
  deflate?: boolean
  /** Registered between `@fastify/websocket` and the guard, or before both. */
  before?: (app: FastifyInstance) => void
}

/** A server with a fake ticket store and a route `/ws` that answers with the identity; closed with the test. */
export async function build (t: Test, { server = {}, guard = {}, deflate = false, before = () => {} }: BuildOptions = {}) {
  const app = Fastify(server)
  t.teardown(() => app.close())
  before(app)
  const options = websocketOptions()
  await app.register(websocket, { ...options, options: { ...options.options, perMessageDeflate: deflate } })
  app.decorate<unknown>('wsTickets', fakeTickets(TICKET))
  await app.register(wsGuard, guard)
  return app
}

export async function listen (app: FastifyInstance): Promise<number> {
  await app.listen({ port: 0, host: '127.0.0.1' })
  return (app.server.address() as AddressInfo).port
}

/** Adds the route `/ws`, which sends the identity as its first message. */
export function route (app: FastifyInstance, options?: Parameters<typeof app.wsGuard>[0]): void {
  app.get('/ws', { websocket: true, preValidation: app.wsGuard(options) }, (socket, request) => {
    socket.send(JSON.stringify(request.wsIdentity))
  })
}

export interface Outcome {
  status: number
  code?: string
  headers: Record<string, unknown>
  identity?: unknown
  protocol?: string
}

/** Connects with `ws`, and returns what a client sees: the refusal, or the first message. */
export async function attempt (port: number, path: string, protocols: string[] = [], options: ClientOptions = {}): Promise<Outcome> {
  const client = new WebSocket(`ws://127.0.0.1:${port}${path}`, protocols, options)
  try {
    return await new Promise((resolve, reject) => {
      client.on('unexpected-response', (_request, response) => {
        response.setEncoding('utf8')
        let body = ''
        response.on('data', chunk => { body += chunk })
        response.on('end', () => {
          const { code } = body.startsWith('{') ? JSON.parse(body) : {}
          resolve({ status: response.statusCode as number, code, headers: response.headers })
        })
      })
      client.on('message', data => {
        resolve({ status: 101, headers: {}, identity: JSON.parse(data.toString()), protocol: client.protocol })
      })
      client.on('error', reject)
    })
  } finally {
    client.terminate()
  }
}

/** The head of an upgrade request. Headers can be replaced or left out (`undefined`). */
export function upgradeHead (path: string, headers: Record<string, string | undefined> = {}, method = 'GET'): string {
  const all: Record<string, string | undefined> = {
    Host: 'localhost',
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': randomBytes(16).toString('base64'),
    ...headers
  }
  const lines = Object.entries(all).filter(([, value]) => value !== undefined).map(([name, value]) => `${name}: ${value}`)
  return [`${method} ${path} HTTP/1.1`, ...lines, '', ''].join('\r\n')
}

export interface RawPeer {
  socket: net.Socket
  /** What the server sent until it closed. */
  text: Promise<string>
}

/** A raw TCP client that never closes by itself: it sees the end only when the server ends the connection. */
export async function raw (t: Test, port: number, head: string): Promise<RawPeer> {
  const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  t.teardown(() => socket.destroy())
  let text = ''
  socket.setEncoding('latin1')
  socket.on('data', chunk => { text += chunk })
  socket.on('error', () => {})
  await once(socket, 'connect')
  socket.write(head)
  return { socket, text: once(socket, 'end').then(() => text) }
}

/** Connections that the server still has open. */
export async function openConnections (app: FastifyInstance): Promise<number> {
  return await new Promise((resolve, reject) => app.server.getConnections((error, count) => error === null ? resolve(count) : reject(error)))
}
