import fastifyJwt from '@fastify/jwt'
import websocket from '@fastify/websocket'
import { websocketOptions } from '@fastify-airlock/core'
import wsGuard, { type GuardPluginOptions, logSerializers, notFoundHandler } from '@fastify-airlock/guard'
import wsHandshake, { type WsHandshakeOptions } from '@fastify-airlock/handshake'
import wsHub, { type WsHubOptions } from '@fastify-airlock/hub'
import wsTickets, { type WsTicketsOptions } from '@fastify-airlock/ticket'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import net, { type AddressInfo } from 'node:net'
import type { Test } from 'tap'
import tls from 'node:tls'

/** Options of {@link start}. */
export interface StartOptions {
  server?: FastifyServerOptions
  guard?: GuardPluginOptions
  tickets?: WsTicketsOptions
  handshake?: WsHandshakeOptions
  hub?: WsHubOptions
  /** Adds plugins and routes, besides `/ws`, which takes tickets in every carrier and echoes its identity. */
  routes?: (app: FastifyInstance) => Promise<void> | void
}

/** A server on an ephemeral port, with its whole log. */
export async function start (t: Test, { server = {}, guard = {}, tickets = {}, handshake = {}, hub = {}, routes = () => {} }: StartOptions = {}) {
  const log: string[] = []
  const logger = { level: 'trace', stream: { write: (line: string) => { log.push(line) } }, serializers: logSerializers() }
  const app = Fastify({ logger, ...server } as FastifyServerOptions) as unknown as FastifyInstance
  t.teardown(() => app.close())
  app.setNotFoundHandler(notFoundHandler())
  await app.register(websocket, websocketOptions())
  await app.register(wsGuard, { pendingPerAddress: 10_000, ...guard })
  await app.register(fastifyJwt, { secret: 'a secret for tests that is long enough' })
  await app.register(wsTickets, tickets)
  await app.register(wsHandshake, { pendingPerAddress: 10_000, ...handshake })
  await app.register(wsHub, { maxConnectionsPerSubject: Infinity, ...hub })
  app.get('/ws', { websocket: true, preValidation: app.wsGuard() }, (socket, request) => { socket.send(JSON.stringify(request.wsIdentity)) })
  await routes(app)
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const secure = 'https' in server && server.https !== null
  return {
    app,
    log,
    port,
    host: `127.0.0.1:${port}`,
    ticket: async (): Promise<string> => (await app.wsTickets.issue('alice')).ticket,
    jwt: (sub = 'alice', claims: object = {}): string => app.jwt.sign({ sub, ...claims }, { expiresIn: 600 }),
    send: async (head: string) => await exchange(port, head, secure)
  }
}

/** Lines of a request head, as they are sent. */
export interface HeadParts {
  method?: string
  target?: string
  version?: string
  /** `Name: value` each; the usual ones come first. */
  lines?: string[]
  /** Names of the usual lines that are left out. */
  without?: string[]
  host?: string
}

/** The head of an upgrade request, byte for byte. */
export function head ({ method = 'GET', target = '/ws', version = 'HTTP/1.1', lines = [], without = [], host = '127.0.0.1' }: HeadParts): string {
  const usual = [
    `Host: ${host}`, 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13',
    `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`
  ].filter(line => !without.includes(line.slice(0, line.indexOf(':'))))
  return [`${method} ${target} ${version}`, ...usual, ...lines, '', ''].join('\r\n')
}

/** An answer, up to its end or, if it is a 101, up to the first frame. */
export interface Answer {
  status: number
  /** The member `code` of the body. */
  code: string
  text: string
}

/** Sends bytes on a connection of its own, and reads until the server ends it or has opened a WebSocket. */
export async function exchange (port: number, bytes: string, secure = false): Promise<Answer> {
  const socket = secure
    ? tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false })
    : net.connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  socket.on('error', () => {})
  await once(socket, secure ? 'secureConnect' : 'connect')
  socket.write(bytes, 'latin1')
  let text = ''
  // An upgrade that succeeds stays open.
  for await (const chunk of socket) {
    text += (chunk as Buffer).toString('latin1')
    if (text.startsWith('HTTP/1.1 101 ') && text.includes('\r\n\r\n')) break
  }
  socket.destroy()
  const [, status = '0'] = /^HTTP\/1\.1 (\d{3}) /.exec(text) ?? []
  const [, code = ''] = /"code":"(\w+)"/.exec(text) ?? []
  return { status: Number(status), code, text }
}

/** Every combination of one item of each list. */
export function product <T extends unknown[]> (...lists: { [Index in keyof T]: readonly T[Index][] }): T[] {
  return lists.reduce<unknown[][]>((rows, list) => rows.flatMap(row => list.map(item => [...row, item])), [[]]) as T[]
}

/** Calls `each` for all items, a few at a time. */
export async function inTurns <T> (items: readonly T[], each: (item: T) => Promise<void>, width = 8): Promise<void> {
  const queue = items.values()
  await Promise.all(Array.from({ length: width }, async () => { for (const item of queue) await each(item) }))
}
