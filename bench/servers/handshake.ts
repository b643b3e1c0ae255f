import { createServer } from 'node:http'
import type { AddressInfo, Server } from 'node:net'
import jwt from '@fastify/jwt'
import websocket from '@fastify/websocket'
import { websocketOptions } from '@fastify-airlock/core'
import wsGuard from '@fastify-airlock/guard'
import wsHandshake from '@fastify-airlock/handshake'
import wsHub from '@fastify-airlock/hub'
import wsTickets from '@fastify-airlock/ticket'
import Fastify from 'fastify'
import { createSigner } from 'fast-jwt'
import { WebSocketServer } from 'ws'
import { serve } from '../lib/child.js'

/** One server to be measured. */
interface Variant {
  server: Server
  /** A ticket for the upgrade; those that check none are shown one all the same. */
  ticket?: (subject: string) => Promise<string>
}

const secret = 'a secret of a benchmark, known to everybody'
const sign = createSigner({ key: secret, expiresIn: 3_600_000 })
const authOk = JSON.stringify({ type: 'auth_ok', user: { id: 'user-123' }, expiresAt: Date.now() })
const issued = JSON.stringify({ ticket: 'x'.repeat(43), expiresIn: 30, protocol: 'airlock.v1' })
const refusal = 'HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: 0\r\n\r\n'

const variants: Record<string, () => Promise<Variant>> = {
  /** Nothing but the upgrade. */
  bare: () => plain(false),
  /** The exchange of both doors, with nothing verified. */
  floor: () => plain(true),

  async 'fastify-websocket' () {
    const app = Fastify()
    await app.register(websocket, websocketOptions())
    app.get('/ws', { websocket: true }, socket => {
      socket.once('message', () => socket.send(authOk))
    })
    app.get('/refuse', { websocket: true, preValidation: async (_request, reply) => reply.code(401).send() }, () => {})
    app.post('/ws/ticket', async (_request, reply) => reply.code(201).type('application/json').send(issued))
    await app.listen({ port: 0, host: '127.0.0.1' })
    return { server: app.server }
  },

  /** What one writes first: the JWT in the Authorization header of the upgrade, and no second door. */
  async 'hand-written' () {
    const app = Fastify()
    await app.register(websocket, websocketOptions())
    await app.register(jwt, { secret })
    const options = { websocket: true as const, preValidation: async (request: { jwtVerify (): Promise<unknown> }) => { await request.jwtVerify() } }
    app.get('/ws', options, socket => { socket.send(authOk) })
    app.get('/refuse', options, () => {})
    await app.listen({ port: 0, host: '127.0.0.1' })
    return { server: app.server }
  },

  'airlock, ticket only': () => airlock(true, false),
  'airlock, JWT only': () => airlock(false, true),
  airlock: () => airlock(true, true)
}

async function plain (exchange: boolean): Promise<Variant> {
  const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false })
  if (exchange) {
    sockets.on('connection', socket => {
      socket.once('message', () => socket.send(authOk))
    })
  }
  const server = createServer((_request, response) => {
    response.writeHead(201, { 'content-type': 'application/json', 'content-length': issued.length }).end(issued)
  })
  server.on('upgrade', (request, socket, head) => {
    if (request.url === '/refuse') socket.end(refusal)
    else sockets.handleUpgrade(request, socket, head, client => { sockets.emit('connection', client, request) })
  })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  return { server }
}

async function airlock (first: boolean, second: boolean): Promise<Variant> {
  const app = Fastify()
  await app.register(websocket, websocketOptions())
  await app.register(jwt, { secret })
  await app.register(wsTickets, { ttl: 900_000 })
  await app.register(wsGuard)
  await app.register(wsHandshake)
  await app.register(wsHub)
  const options = { websocket: true as const, ...(first && { preValidation: app.wsGuard() }) }
  const handler = second
    ? app.wsHandshake(() => {})
    : (socket: import('ws').WebSocket) => { socket.send(authOk) }
  app.get('/ws', options, handler)
  app.get('/refuse', options, handler)
  await app.listen({ port: 0, host: '127.0.0.1' })
  return { server: app.server, ticket: async subject => (await app.wsTickets.issue(subject)).ticket }
}

const { server, ticket } = await (variants[process.argv[2] as string] as () => Promise<Variant>)()
let user = 0

serve({
  port: () => (server.address() as AddressInfo).port,
  /** Tickets and tokens for so many handshakes. */
  async mint (count: number) {
    const credentials: Array<{ ticket: string, token: string }> = []
    for (let index = 0; index < count; index++) {
      const subject = `user-${user++ % 10_000}`
      credentials.push({
        ticket: await ticket?.(subject) ?? 'x'.repeat(43),
        token: sign({ sub: subject, role: 'user', iss: 'https://id.example.com', user: user % 10_000 })
      })
    }
    // What this has left behind shall not be collected at the cost of what is measured.
    globalThis.gc?.({ type: 'minor' })
    return credentials
  }
})
