import fastifyCookie from '@fastify/cookie'
import fastifyJwt from '@fastify/jwt'
import websocket from '@fastify/websocket'
import { websocketOptions } from '@fastify-airlock/core'
import wsGuard, { logSerializers, notFoundHandler } from '@fastify-airlock/guard'
import wsHandshake from '@fastify-airlock/handshake'
import wsHub from '@fastify-airlock/hub'
import wsTickets, { type WsTicketsOptions } from '@fastify-airlock/ticket'
import Fastify from 'fastify'
import { on } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Writable } from 'node:stream'
import type { Test } from 'tap'
import { type ClientOptions, WebSocket } from 'ws'

/** Every plugin on one server, as a reader of the README would register them, and its whole log. */
export async function build (t: Test, tickets: WsTicketsOptions = {}) {
  const log: string[] = []
  const stream = new Writable({
    write (line, _encoding, done) {
      log.push(String(line))
      done()
    }
  })
  const app = Fastify({ logger: { level: 'trace', stream, serializers: logSerializers() } })
  t.teardown(() => app.close())
  app.setNotFoundHandler(notFoundHandler())
  await app.register(websocket, websocketOptions())
  await app.register(wsGuard)
  await app.register(fastifyCookie)
  await app.register(fastifyJwt, { secret: 'a secret for tests that is long enough', cookie: { cookieName: 'session', signed: false } })
  await app.register(wsTickets, tickets)
  await app.register(wsHandshake)
  await app.register(wsHub)
  return { app, log }
}

/** Listens on an ephemeral port, and makes clients for it. */
export async function listen (t: Test, app: Awaited<ReturnType<typeof build>>['app']) {
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  return {
    port,
    origin: `http://127.0.0.1:${port}`,
    sign: (sub: string, claims: object = {}): string => app.jwt.sign({ sub, ...claims }, { expiresIn: 60 }),
    connect: (path: string, protocols?: string[], options?: ClientOptions) => connect(t, `ws://127.0.0.1:${port}${path}`, protocols, options)
  }
}

/** Connects; throws `HTTP <status> <code>` where the upgrade is refused. */
export async function connect (t: Test, url: string, protocols: string[] = [], options: ClientOptions = {}) {
  const socket = new WebSocket(url, protocols, options)
  t.teardown(() => socket.terminate())
  const messages = on(socket, 'message', { close: ['close'] })
  const closed = new Promise<string>(resolve => socket.on('close', (code, reason) => resolve(`${code} ${String(reason)}`)))
  await new Promise<void>((resolve, reject) => {
    socket.once('open', resolve)
    // For good: ending a refused attempt is an error as well.
    socket.on('error', reject)
    socket.once('unexpected-response', (_request, response: IncomingMessage) => {
      let body = ''
      response.on('data', chunk => { body += chunk })
      response.on('end', () => {
        const { code = '' } = body.startsWith('{') ? JSON.parse(body) : {}
        reject(Object.assign(new Error(`HTTP ${response.statusCode} ${code}`), { headers: response.headers }))
      })
    })
  })
  return {
    socket,
    /** `<code> <reason>` of the close frame. */
    closed,
    send: (message: object) => socket.send(JSON.stringify(message)),
    /** The next message, parsed; throws when the socket closes instead. */
    next: async (): Promise<Record<string, unknown>> => {
      const { value, done } = await messages.next()
      if (done === true) throw new Error(`closed: ${await closed}`)
      return JSON.parse(value[0].toString())
    }
  }
}

/** How many attempts of a race succeeded, and how the others failed. */
export async function outcomes (attempts: Array<Promise<unknown>>) {
  const results = await Promise.allSettled(attempts)
  const failures = results.flatMap(result => result.status === 'rejected' ? [(result.reason as Error).message] : [])
  return { succeeded: results.length - failures.length, failures: [...new Set(failures)] }
}

/** Waits until `condition` holds; a test that waits in vain times out. */
export async function until (condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!await condition()) await new Promise(resolve => setTimeout(resolve, 25))
}

/** Replaces the clock of all deadlines, and the time of day, by ones that also run, but can be put forward. */
export function clock (t: Test): { ahead: number } {
  const [monotonic, wall] = [performance.now.bind(performance), Date.now]
  const set = { ahead: 0 }
  t.intercept(performance, 'now', { value: () => monotonic() + set.ahead })
  t.intercept(Date, 'now', { value: () => wall() + set.ahead })
  return set
}
