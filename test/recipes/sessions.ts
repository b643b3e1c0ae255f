import { guardScope } from '@fastify-airlock/guard'
import wsTickets from '@fastify-airlock/ticket'
import type { FastifyInstance, FastifyRequest } from 'fastify'

/** Who is signed in, as the session has it. Replace it by that of your library. */
export type UserOf = (request: FastifyRequest) => string | undefined | Promise<string | undefined>

/**
 * Tickets for those who have a session, and a scope whose sockets need one: no JWT, no Authorization header.
 *
 * @param userOf the id of the user of a session
 */
export async function sessionTickets (app: FastifyInstance, userOf: UserOf): Promise<void> {
  const users = new WeakMap<FastifyRequest, string>()
  await app.register(wsTickets, {
    route: {
      // In `preValidation`: @fastify/passport has restored its user by then.
      authenticate: async request => {
        const user = await userOf(request)
        if (user === undefined) throw Object.assign(new Error('Sign in'), { statusCode: 401 })
        users.set(request, user)
      },
      subject: request => users.get(request)
    }
  })
  app.register(async scope => {
    guardScope(scope)
    scope.get('/ws', { websocket: true }, (socket, { wsIdentity }) => {
      socket.on('message', text => socket.send(`${wsIdentity?.subject}: ${String(text)}`))
    })
  })
}
