import fastifyCookie from '@fastify/cookie'
import { MemoryStore } from '@fastify-airlock/ticket'
import airlock, { type AirlockOptions } from 'fastify-airlock'
import Fastify, { type FastifyInstance } from 'fastify'

export const jwt = { secret: 'a secret for tests that is long enough', cookie: { cookieName: 'session', signed: false } }

/** An application as a user of the packages has one. `/ws` sends everybody what one says. */
export async function build (options: AirlockOptions = {}): Promise<FastifyInstance> {
  const app = Fastify()
  await app.register(fastifyCookie)
  await app.register(airlock, { jwt, ticket: { store: new MemoryStore() }, heartbeat: false, ...options })
  app.wsRoute('/ws', (socket, { wsIdentity }) => {
    socket.on('message', data => app.wsHub.broadcast({ from: wsIdentity.subject, text: String(data) }))
  })
  return app as unknown as FastifyInstance
}
