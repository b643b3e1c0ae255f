import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import { on } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import { type ClientOptions, WebSocket } from 'ws'
import airlock, { type AirlockOptions } from '../src/index.js'

export const jwt = { secret: 'a secret for tests that is long enough' }

/** An application with the plugin alone, closed with the test, and the lines of its log. */
export async function build (t: Test, options: AirlockOptions = { jwt }, server: FastifyServerOptions = {}) {
  const { app, log } = bare(t, server)
  await app.register(airlock, options)
  return { app, log }
}

/** An application without the plugin. */
export function bare (t: Test, server: FastifyServerOptions = {}) {
  const log: string[] = []
  const app = Fastify({ ...server, logger: { level: 'trace', stream: { write: (line: string) => { log.push(line) } }, ...server.logger as object } })
  t.teardown(() => app.close())
  return { app: app as unknown as FastifyInstance, log }
}

/** Listens, and makes clients. */
export async function listen (t: Test, app: FastifyInstance) {
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const open = (path: string, protocols: string[] = [], options: ClientOptions = {}) => connect(t, `ws://127.0.0.1:${port}${path}`, protocols, options)
  return {
    port,
    connect: open,
    sign: (sub: string) => app.jwt.sign({ sub }, { expiresIn: 600 }),
    ticket: async (sub: string) => (await app.wsTickets.issue(sub)).ticket
  }
}

/** Connects; throws `HTTP <status> <code>` where the upgrade is refused. */
async function connect (t: Test, url: string, protocols: string[], options: ClientOptions) {
  const socket = new WebSocket(url, protocols, options)
  t.teardown(() => socket.terminate())
  const messages = on(socket, 'message', { close: ['close'] })
  const closed = new Promise<string>(resolve => socket.on('close', (code, reason) => resolve(`${code} ${String(reason)}`)))
  await new Promise<void>((resolve, reject) => {
    socket.once('open', resolve)
    // For good: the end of a refused attempt is an error as well.
    socket.on('error', reject)
    socket.once('unexpected-response', (_request, response: IncomingMessage) => {
      let body = ''
      response.on('data', chunk => { body += chunk })
      response.on('end', () => reject(new Error(`HTTP ${response.statusCode} ${body.startsWith('{') ? JSON.parse(body).code : ''}`)))
    })
  })
  return {
    closed,
    send: (message: object) => socket.send(JSON.stringify(message)),
    next: async (): Promise<Record<string, unknown>> => {
      const { value, done } = await messages.next()
      if (done === true) throw new Error(`closed: ${await closed}`)
      return JSON.parse(value[0].toString())
    }
  }
}
