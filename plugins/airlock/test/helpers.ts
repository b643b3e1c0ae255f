import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import type { ClientOptions } from 'ws'
import { connect } from '../../../test/client.js'
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
