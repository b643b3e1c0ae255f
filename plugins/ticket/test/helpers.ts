import type { Test } from 'tap'
import cookie from '@fastify/cookie'
import jwt from '@fastify/jwt'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import { wsTickets, type TicketRecord, type TicketStore, type WsTicketsOptions } from '../src/index.js'

export { clock } from '../../../test/time.js'

/** A server with sign-in by JWT, in the header or the cookie `session`, and the plugin; not yet ready. */
export async function build (
  t: Test, options: WsTicketsOptions = {}, server: FastifyServerOptions = {}, prepare: (app: FastifyInstance) => Promise<void> = async () => {}
): Promise<FastifyInstance> {
  const app = bare(t, server)
  await prepare(app)
  await app.register(cookie)
  await app.register(jwt, { secret: 'of the test', cookie: { cookieName: 'session', signed: false } })
  await app.register(wsTickets, options)
  return app
}

/** A server with nothing on it, closed with the test. */
export function bare (t: Test, server: FastifyServerOptions = {}): FastifyInstance {
  const app = Fastify(server)
  t.teardown(() => app.close())
  return app
}

/** The headers of a signed-in user. */
export function signedIn (app: FastifyInstance, sub = 'alice'): { authorization: string } {
  return { authorization: `Bearer ${app.jwt.sign({ sub }, { expiresIn: '1m' })}` }
}

/** A store with the given methods. The others do nothing. */
export function storeWith (methods: Partial<TicketStore>): TicketStore {
  return { put () {}, take: () => null, revoke: () => 0, close () {}, ...methods }
}

/** Collects every line that a server logs. */
export function logged (): { lines: string[], options: FastifyServerOptions } {
  const lines: string[] = []
  return { lines, options: { logger: { level: 'trace', stream: { write: line => { lines.push(line) } } } } }
}

/** A record of alice's, for the audience `here`, that expires in half a minute. */
export function record (members: Partial<TicketRecord> = {}): TicketRecord {
  return {
    subject: 'alice',
    audience: 'here',
    claims: '{}',
    expiresAt: Date.now() + 30_000,
    reuse: false,
    origin: null,
    ip: null,
    ...members
  }
}
