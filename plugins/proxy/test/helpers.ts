import websocket from '@fastify/websocket'
import { websocketOptions } from '@fastify-airlock/core'
import Fastify, { type FastifyInstance, type preValidationHookHandler } from 'fastify'
import { randomBytes } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { createServer as createTlsServer, type ServerOptions as TlsServerOptions } from 'node:https'
import net, { type AddressInfo, type Socket } from 'node:net'
import type { Test } from 'tap'
import { type ClientOptions, type RawData, WebSocket, WebSocketServer, type ServerOptions } from 'ws'
import { wsProxy, type UpstreamProxy, type ProxyPluginOptions } from '../src/index.js'

export { until } from '../../../test/time.js'

export const SECRET = 'k3y-that-nobody-may-see'

export const pem = (name: string): Buffer => readFileSync(new URL(`fixtures/${name}.pem`, import.meta.url))

/** Makes a promise that a test settles. */
export function deferred<T = void> () {
  let resolve!: (value: T) => void
  const promise = new Promise<T>(_resolve => { resolve = _resolve })
  return { promise, resolve }
}

/** A WebSocket and all that it has received. */
export class Peer {
  readonly socket: WebSocket
  /** Code and reason. */
  readonly closed: Promise<[number, string]>
  readonly received: Array<{ data: RawData, isBinary: boolean }> = []
  readonly #events = new EventEmitter()

  constructor (socket: WebSocket) {
    this.socket = socket
    socket.on('error', () => {})
    socket.on('message', (data, isBinary) => {
      this.received.push({ data, isBinary })
      this.#events.emit('message')
    })
    this.closed = new Promise(resolve => {
      socket.once('close', (code, reason) => {
        this.#events.emit('message')
        resolve([code, String(reason)])
      })
    })
  }

  /** The next message. */
  async next (): Promise<{ data: RawData, isBinary: boolean }> {
    while (this.received.length === 0) {
      if (this.socket.readyState === WebSocket.CLOSED) throw new Error('closed, and nothing left to read')
      await once(this.#events, 'message')
    }
    return this.received.shift() as { data: RawData, isBinary: boolean }
  }

  /** The text of the next message. */
  async text (): Promise<string> {
    return String((await this.next()).data)
  }
}

export interface Arrival extends Peer {
  request: IncomingMessage
}

export interface UpstreamOptions {
  options?: ServerOptions
  tls?: TlsServerOptions
  port?: number
  /** Refuses or delays an upgrade. */
  admit?: (request: IncomingMessage) => number | Promise<number>
  /** Headers of the 101. */
  headers?: string[]
  onConnection?: (peer: Peer, request: IncomingMessage) => void
}

/** Starts a WebSocket server to proxy to. */
export async function upstream (t: Test, { options = {}, tls, port = 0, admit = () => 101, headers = [], onConnection = () => {} }: UpstreamOptions = {}) {
  const wss = new WebSocketServer({ noServer: true, perMessageDeflate: false, ...options })
  const server: Server = tls === undefined ? createServer() : createTlsServer(tls)
  const arrivals: Arrival[] = []
  const requests: IncomingMessage[] = []
  const transports = new Set<Socket>()
  const events = new EventEmitter()
  server.on('connection', socket => {
    transports.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => { transports.delete(socket) })
  })
  wss.on('headers', lines => { lines.push(...headers) })
  server.on('upgrade', async (request, socket, head) => {
    requests.push(request)
    events.emit('request')
    const status = await admit(request)
    if (status !== 101) return socket.end(`HTTP/1.1 ${status} No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
    wss.handleUpgrade(request, socket, head, client => {
      const peer = Object.assign(new Peer(client), { request })
      onConnection(peer, request)
      arrivals.push(peer)
      events.emit('arrival')
    })
  })
  const close = async (): Promise<void> => {
    for (const socket of transports) socket.destroy()
    await new Promise(resolve => server.close(resolve))
  }
  t.teardown(close)
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return {
    server,
    requests,
    transports,
    close,
    port: (server.address() as AddressInfo).port,
    url: `${tls === undefined ? 'ws' : 'wss'}://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    /** The next connection, in the order of arrival. */
    next: async (): Promise<Arrival> => {
      while (arrivals.length === 0) await once(events, 'arrival')
      return arrivals.shift() as Arrival
    },
    /** Waits for an upgrade request, admitted or not. */
    requested: async (): Promise<void> => { if (requests.length === 0) await once(events, 'request') }
  }
}

/** Sends every message back. */
export const echo = ({ socket }: Peer): void => {
  socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
}

/** Starts a TCP server that accepts connections and sends nothing. */
export async function silence (t: Test) {
  const sockets = new Set<Socket>()
  const server = net.createServer(socket => {
    sockets.add(socket)
    socket.on('error', () => {}).on('close', () => { sockets.delete(socket) })
    socket.resume()
  })
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { sockets, url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

export interface Setup {
  proxy: ProxyPluginOptions
  /** Hooks after the dial. */
  after?: preValidationHookHandler[]
  /** Declares other routes than the one at `/ws`. */
  routes?: (app: FastifyInstance) => void | Promise<void>
  server?: object
  websocket?: Parameters<typeof websocketOptions>[0]
}

/** Makes a server with a proxy at `/ws`; `lines` are those that it logs. */
export async function build (t: Test, { proxy: options, after = [], routes, server = {}, websocket: socketOptions }: Setup) {
  const lines: string[] = []
  const app = Fastify({ logger: { level: 'trace', stream: { write: (line: string) => { lines.push(line) } } }, ...server })
  t.teardown(() => app.close())
  await app.register(websocket, websocketOptions(socketOptions))
  await app.register(wsProxy, options)
  if (routes === undefined) {
    const proxy = app.wsProxy()
    app.get('/ws', { websocket: true, preValidation: [proxy.dial, ...after] }, proxy)
  } else {
    await routes(app)
  }
  await app.listen({ port: 0, host: '127.0.0.1' })
  return { app, lines, port: (app.server.address() as AddressInfo).port }
}

/** Adds a proxied route. */
export function route (app: FastifyInstance, proxy: UpstreamProxy, ...before: preValidationHookHandler[]): void {
  app.get('/ws', { websocket: true, preValidation: [...before, proxy.dial] }, proxy)
}

/** Makes a client that is connecting. */
export function client (t: Test, port: number, protocols: string[] = [], options: ClientOptions = {}, path = '/ws'): Peer {
  const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, protocols, { perMessageDeflate: false, ...options })
  t.teardown(() => socket.terminate())
  return new Peer(socket)
}

/** Makes a client that has got its 101. */
export async function connect (t: Test, port: number, protocols: string[] = [], options: ClientOptions = {}, path = '/ws'): Promise<Peer> {
  const peer = client(t, port, protocols, options, path)
  await once(peer.socket, 'open')
  return peer
}

/** Returns the answer to a client that does not get a 101. */
export async function refusal (t: Test, port: number, protocols: string[] = [], options: ClientOptions = {}, path = '/ws') {
  const { socket } = client(t, port, protocols, options, path)
  const [request, response] = await once(socket, 'unexpected-response') as [{ destroy (): void }, IncomingMessage]
  let text = ''
  for await (const chunk of response) text += chunk
  request.destroy()
  return { status: response.statusCode, headers: response.headers, body: JSON.parse(text), text }
}

/** The bytes of an upgrade request. */
export const upgrade = (path = '/ws', headers: string[] = []): string => [
  `GET ${path} HTTP/1.1`, 'Host: localhost', 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13',
  `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`, ...headers, '', ''
].join('\r\n')

/** Makes a client on bare TCP, which sends these parts and nothing else: it does not even answer a close frame. */
export function tcp (t: Test, port: number, ...parts: Array<string | Buffer>) {
  const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  t.teardown(() => socket.destroy())
  socket.on('error', () => {})
  socket.write(Buffer.concat(parts.map(part => Buffer.from(part as string))))
  return socket
}

/** A client frame, masked with zeros. */
export function frame (data: string | Buffer, { opcode = typeof data === 'string' ? 1 : 2, fin = true } = {}): Buffer {
  const payload = Buffer.from(data as string)
  return Buffer.concat([Buffer.from([(fin ? 0x80 : 0) | opcode, 0x80 | payload.length]), Buffer.alloc(4), payload])
}

/** Counts the open connections of a server. */
export async function openConnections (server: { getConnections (callback: (error: Error | null, count: number) => void): void }): Promise<number> {
  return await new Promise((resolve, reject) => server.getConnections((error, count) => error === null ? resolve(count) : reject(error)))
}
