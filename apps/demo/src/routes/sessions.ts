import type { FastifyPluginAsync } from 'fastify'
import { NoSession } from '../errors.js'
import { clearSession } from '../plugins/auth.js'
import type { SessionClaims } from '../session-claims.js'

const params = {
  type: 'object',
  properties: { id: { type: 'string', maxLength: 64 } }
}

/** The user's own sessions: where somebody is logged in under this name, and the end of it. */
export const sessions: FastifyPluginAsync = async fastify => {
  fastify.addHook('onRequest', async (_request, reply) => { reply.header('cache-control', 'no-store') })

  fastify.get('/sessions', { onRequest: fastify.authenticate }, async request => {
    const claims = request.user as SessionClaims
    // It may be older than this process.
    fastify.noteSession(request, claims)
    return listOf(claims).map(({ id, since, device, sockets }) => ({ id, current: id === claims.sid, since, device, sockets }))
  })

  fastify.post<{ Params: { id: string } }>('/sessions/:id/end', {
    schema: { params },
    onRequest: fastify.authenticate
  }, async (request, reply) => {
    const claims = request.user as SessionClaims
    const ended = listOf(claims).find(({ id }) => id === request.params.id)
    // The same answer for a session of somebody else and for none.
    if (ended === undefined) throw new NoSession()
    await fastify.endSession({ sub: claims.sub, sid: ended.id }, ended.until)
    if (ended.id === claims.sid) clearSession(reply)
    return reply.code(204).send()
  })

  function listOf ({ sub }: SessionClaims) {
    return fastify.sessions.of(sub).filter(({ id }) => !fastify.denylist.has({ sub, sid: id }))
  }
}
