import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import net, { type AddressInfo, type Socket } from 'node:net'
import websocket, { type WebsocketPluginOptions } from '@fastify/websocket'
import { usesPublicWay, websocketOptions } from '@fastify-airlock/core'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import type { Test } from 'tap'
import { WebSocket, type ClientOptions } from 'ws'
import wsHub, { type HubBus, type WsHubOptions } from '../src/index.js'
import { until } from '../../../test/time.js'

export { until }

/** Whether connections share frames here. They do not with `AIRLOCK_PUBLIC=1`. */
export const sharesFrames = !usesPublicWay()

interface BuildOptions {
  hub?: WsHubOptions
  fastify?: FastifyServerOptions
  options?: WebsocketPluginOptions['options']
  /** Adds routes of the test's own. */
  routes?: (app: FastifyInstance) => void
}

/** For tests that wait until a peer is cut that does not answer a close frame: the others would be cut on a busy machine. */
export const CUT_SOON = { hub: { closeTimeout: 200 }, options: { closeTimeout: 200 } as object }

/**
 * A listening server: `/ws?subject=…` adds the socket to the hub, `/stranger` does not. `next()` returns the server's
 * side of each connection, in the order in which they came.
 */
export async function build (t: Test, { hub = {}, fastify = {}, options = {}, routes }: BuildOptions = {}) {
  const app: FastifyInstance = Fastify(fastify)
  t.teardown(() => app.close())
  const defaults = websocketOptions({ closeTimeout: 30_000 })
  await app.register(websocket, { ...defaults, options: { ...defaults.options, ...options } as object })
  await app.register(wsHub, { closeTimeout: 30_000, ...hub })

  const arrived: WebSocket[] = []
  const waiting: Array<(socket: WebSocket) => void> = []
  const arrive = (socket: WebSocket) => {
    const resolve = waiting.shift()
    if (resolve === undefined) arrived.push(socket)
    else resolve(socket)
  }
  const next = async (): Promise<WebSocket> => arrived.shift() ?? new Promise(resolve => waiting.push(resolve))

  app.get<{ Querystring: { subject: string } }>('/ws', { websocket: true }, (socket, request) => {
    app.wsHub.add(socket, { subject: request.query.subject })
    arrive(socket)
  })
  app.get('/stranger', { websocket: true }, arrive)
  routes?.(app)

  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo

  /** Both sides of a new connection. */
  async function pair (path = '/ws?subject=alice', clientOptions: ClientOptions = {}) {
    const client = connect(t, port, path, clientOptions)
    const socket = await next()
    if (client.readyState !== WebSocket.OPEN) await once(client, 'open')
    return { client, socket, messages: collect(client) }
  }

  return { app, hub: app.wsHub, port, next, pair }
}

export function connect (t: Test, port: number, path: string, options: ClientOptions = {}): WebSocket {
  const client = new WebSocket(`ws://127.0.0.1:${port}${path}`, { perMessageDeflate: false, ...options })
  t.teardown(() => client.terminate())
  return client
}

/** Collects what a client receives from now on, as text. */
export function collect (client: WebSocket): string[] {
  const messages: string[] = []
  client.on('message', data => { messages.push(data.toString()) })
  return messages
}

/** Resolves once a client has received everything that was sent to it before: a pong cannot overtake a message. */
export async function settle (...clients: WebSocket[]): Promise<void> {
  await Promise.all(clients.map(async client => {
    client.ping()
    await once(client, 'pong')
  }))
}

/** A peer over plain TCP: it sends the upgrade and then answers nothing, not even a close frame. */
export function bare (t: Test, port: number, path: string, headers: string[] = []) {
  const socket = net.connect(port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  socket.on('error', () => {})
  const chunks: Buffer[] = []
  socket.on('data', chunk => { chunks.push(chunk) })
  socket.write([
    `GET ${path} HTTP/1.1`, 'Host: localhost', 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13',
    `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`, ...headers, '', ''
  ].join('\r\n'))
  return {
    socket,
    /** Everything that came after the 101. */
    frames (): Buffer {
      const all = Buffer.concat(chunks)
      return all.subarray(all.indexOf('\r\n\r\n') + 4)
    },
    /** Answers the close frame that ends with these bytes, so that nothing before it is cut on a busy machine. */
    async closed (...end: Array<number | string>): Promise<void> {
      const close = Buffer.concat(end.map(part => typeof part === 'string' ? Buffer.from(part) : Buffer.of(part)))
      while (!this.frames().subarray(-close.length).equals(close)) await once(socket, 'data')
      socket.write(Buffer.of(0x88, 0x80, 0, 0, 0, 0))
      await once(socket, 'close')
    }
  }
}

/** The TCP socket of a server's WebSocket. */
export const streamOf = (socket: WebSocket): Socket => (socket as unknown as { _socket: Socket })._socket

/** Keeps in this process what is written to a connection, as a full pipe does. */
export function hold (socket: WebSocket): void {
  streamOf(socket).cork()
}

/** Two nodes on one bus, both connected. */
export async function twoNodes (t: Test, connect: (t: Test) => HubBus, options: WsHubOptions = {}) {
  const start = async () => {
    const node = await build(t, { hub: { ...options, bus: connect(t) } })
    await until(() => node.hub.health().bus === 'up')
    return node
  }
  return [await start(), await start()] as const
}
