import fastifyJwt from '@fastify/jwt'
import websocket from '@fastify/websocket'
import { websocketOptions, type WsIdentity } from '@fastify-airlock/core'
import Fastify, { type FastifyInstance } from 'fastify'
import { randomBytes } from 'node:crypto'
import { on, once } from 'node:events'
import net, { type AddressInfo } from 'node:net'
import type { Test } from 'tap'
import { WebSocket } from 'ws'
import { createDecorator } from '../src/handshake.js'
import { wsHandshake, type WsHandler, type WsHandshakeOptions } from '../src/index.js'

export { clock, until } from '../../../test/time.js'

export const secret = 'a secret for tests that is long enough'

export interface Setup {
  handler?: WsHandler
  options?: WsHandshakeOptions
  /** Makes the identity that a guard would have made. */
  guard?: () => WsIdentity
  /** Decorates the instance before routes are declared. */
  prepare?: (app: FastifyInstance) => unknown
  /** Decorates the instance after routes are declared. */
  finish?: (app: FastifyInstance) => unknown
}

/** Sends every message back. */
export const echo: WsHandler = socket => {
  socket.on('message', (data, isBinary) => socket.send(data as Buffer, { binary: isBinary }))
}

/** Makes a listening server with the plugin and one route at `/ws`; `lines` are those that it logs. */
export async function build (t: Test, { handler = echo, options = {}, guard, prepare, finish }: Setup = {}) {
  const lines: string[] = []
  const app = Fastify({ logger: { level: 'trace', stream: { write: (line: string) => { lines.push(line) } } } })
  t.teardown(() => app.close())
  await app.register(websocket, websocketOptions())
  await app.register(fastifyJwt, { secret })
  await app.register(wsHandshake)
  await prepare?.(app)
  app.get('/ws', {
    websocket: true,
    preValidation: async request => { if (guard !== undefined) request.wsIdentity = guard() }
  }, app.wsHandshake(handler, options))
  await finish?.(app)
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  return {
    app,
    port,
    lines,
    sign: (claims: object = {}, expiresIn = 60): string => app.jwt.sign({ sub: 'alice', ...claims }, { expiresIn }),
    connect: () => connect(t, port)
  }
}

/** Does what {@link build} does, but without the plugin around the decorator, so that a test can look inside. */
export async function buildInside (t: Test, { handler = echo, options = {} }: Setup = {}) {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket, websocketOptions())
  await app.register(fastifyJwt, { secret })
  const { wsHandshake, sweep, pool } = createDecorator(options)
  app.decorateRequest('wsIdentity', null)
  app.decorate('wsHandshake', wsHandshake)
  const sockets: WebSocket[] = []
  const attached = app.wsHandshake(handler)
  app.get('/ws', { websocket: true }, function (socket, request) {
    sockets.push(socket)
    return attached.call(this, socket, request)
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  return { app, port, sweep, pool, sockets, token: app.jwt.sign({ sub: 'alice' }, { expiresIn: 60 }) }
}

/** Makes a client that keeps every message from the first on. */
export function connect (t: Test, port: number, path = '/ws') {
  const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`)
  t.teardown(() => socket.terminate())
  // The end of a test may cut off an upgrade.
  socket.on('error', () => {})
  return clientOf(socket)
}

export function clientOf (socket: WebSocket) {
  const messages = on(socket, 'message', { close: ['close'] })
  const closed = once(socket, 'close').then(([code, reason]) => [code, String(reason)] as [number, string])
  const raw = async (): Promise<[Buffer, boolean]> => {
    const { value, done } = await messages.next()
    if (done === true) throw new Error(`closed: ${(await closed).join(' ')}`)
    return value as [Buffer, boolean]
  }
  const next = async (): Promise<any> => {
    const text = (await raw())[0].toString()
    return text.startsWith('{') ? JSON.parse(text) : text
  }
  return {
    socket,
    closed,
    raw,
    next,
    opened: async () => { if (socket.readyState === WebSocket.CONNECTING) await once(socket, 'open') },
    json: (message: unknown) => socket.send(JSON.stringify(message)),
    /** Shows a token and returns the first answer. */
    auth: async (token: string, type = 'auth') => {
      if (socket.readyState === WebSocket.CONNECTING) await once(socket, 'open')
      socket.send(JSON.stringify({ type, token }))
      return await next()
    }
  }
}

export type Client = ReturnType<typeof clientOf>

/** Checks that `auth_error` and the close frame say the same. */
export async function refused (t: Test, client: Client, code: number, reason: string, retry: boolean) {
  t.strictSame(await client.next(), { type: 'auth_error', code, reason, retry })
  t.strictSame(await client.closed, [code, reason])
}

/** The bytes of an upgrade request. */
export const upgrade = (path = '/ws'): string => [
  `GET ${path} HTTP/1.1`, 'Host: localhost', 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13',
  `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`, '', ''
].join('\r\n')

/** The bytes of a short client frame, masked with zeros. */
export function frame (data: string | Buffer, opcode = typeof data === 'string' ? 1 : 2): Buffer {
  const payload = Buffer.from(data as string)
  const head = payload.length < 126
    ? Buffer.from([0x80 | opcode, 0x80 | payload.length])
    : Buffer.from([0x80 | opcode, 0x80 | 126, payload.length >> 8, payload.length & 255])
  return Buffer.concat([head, Buffer.alloc(4), payload])
}

/** Makes a peer on bare TCP, which sends these parts and nothing else: it does not even answer a close frame. */
export function tcp (t: Test, port: number, ...parts: Array<string | Buffer>) {
  const socket = net.connect(port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  let received = Buffer.alloc(0)
  socket.on('error', () => {})
  socket.on('data', chunk => { received = Buffer.concat([received, chunk]) })
  socket.write(Buffer.concat(parts.map(part => Buffer.from(part as string))))
  return {
    socket,
    /** Waits until the server has sent `text`. */
    until: async (text: string): Promise<string> => {
      while (!received.includes(text, 0, 'latin1')) {
        if (socket.closed) throw new Error(`closed without ${text}`)
        await Promise.race([once(socket, 'data'), once(socket, 'close')])
      }
      return received.toString('latin1')
    },
    received: () => received.toString('latin1')
  }
}

/** Makes a promise that a test settles. */
export function deferred<T = void> () {
  let resolve!: (value: T) => void
  let reject!: (error: Error) => void
  const promise = new Promise<T>((_resolve, _reject) => { resolve = _resolve; reject = _reject })
  return { promise, resolve, reject }
}

/** Waits for a condition that has no event. */
export async function eventually (condition: () => boolean): Promise<void> {
  for (const end = Date.now() + 10_000; !condition() && Date.now() < end;) {
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}
