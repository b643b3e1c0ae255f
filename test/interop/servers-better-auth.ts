import wsTickets from '@fastify-airlock/ticket'
import { betterAuth, type BetterAuthOptions } from 'better-auth'
import { fromNodeHeaders, toNodeHandler } from 'better-auth/node'
import type { FastifyInstance, FastifyRequest } from 'fastify'

/** better-auth under `/api/auth`, tickets for those who are signed in, and sockets that end with their session. */
export async function betterAuthRoutes (app: FastifyInstance, options: BetterAuthOptions): Promise<void> {
  const auth = betterAuth({
    ...options,
    databaseHooks: {
      session: {
        // Signing out, and revoking a session from another one. On every node, where the hub has a bus.
        delete: { after: async ({ id }) => { await app.wsHub.disconnectAll({ session: id, reason: 'logged out' }) } }
      }
    }
  })
  const sessions = new WeakMap<FastifyRequest, { userId: string, id: string }>()

  app.register(async scope => {
    // It reads the body itself.
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser('*', (_request, _payload, done) => { done(null) })
    const handler = toNodeHandler(auth)
    scope.all('/api/auth/*', async (request, reply) => {
      reply.hijack()
      await handler(request.raw, reply.raw)
    })
  })

  await app.register(wsTickets, {
    route: {
      hook: 'onRequest',
      authenticate: async request => {
        const found = await auth.api.getSession({ headers: fromNodeHeaders(request.headers) })
        if (found === null) throw Object.assign(new Error('Sign in'), { statusCode: 401 })
        sessions.set(request, found.session)
      },
      subject: request => sessions.get(request)?.userId,
      session: request => sessions.get(request)?.id
    }
  })

  app.get('/ws', { websocket: true, preValidation: app.wsGuard() }, (socket, { wsIdentity }) => {
    if (wsIdentity === null || !app.wsHub.add(socket, wsIdentity)) return
    socket.on('message', text => socket.send(`${wsIdentity.subject}: ${String(text)}`))
  })
}
