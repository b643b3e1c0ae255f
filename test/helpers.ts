import fastifyCookie from '@fastify/cookie'
import fastifyJwt from '@fastify/jwt'
import websocket from '@fastify/websocket'
import { websocketOptions } from '@fastify-airlock/core'
import wsGuard, { logSerializers, notFoundHandler } from '@fastify-airlock/guard'
import wsHandshake from '@fastify-airlock/handshake'
import wsHub from '@fastify-airlock/hub'
import wsTickets, { type WsTicketsOptions } from '@fastify-airlock/ticket'
import Fastify from 'fastify'
import type { AddressInfo } from 'node:net'
import { Writable } from 'node:stream'
import type { Test } from 'tap'
import type { ClientOptions } from 'ws'
import { connect } from './client.js'

export { clock, until } from './time.js'

export { connect }

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

/** How many attempts of a race succeeded, and how the others failed. */
export async function outcomes (attempts: Array<Promise<unknown>>) {
  const results = await Promise.allSettled(attempts)
  const failures = results.flatMap(result => result.status === 'rejected' ? [(result.reason as Error).message] : [])
  return { succeeded: results.length - failures.length, failures: [...new Set(failures)] }
}
