import type { FastifyPluginAsync, FastifyReply } from 'fastify'
import type { DemoOptions } from '../config.js'
import { endOpenSession, openSession } from '../end-sessions.js'
import { BadCredentials, NotAuthenticated } from '../errors.js'
import { sessionCookieOf } from '../plugins/auth.js'
import { begin, endOf, type OwnClaims, renew, type SessionClaims } from '../session-claims.js'
import { createUserDirectory, demoUsers, type UserDirectory, userOf } from '../users.js'

/** Name and password, as a form sends them. */
export interface Credentials {
  username: string
  password: string
}

/** {@link Credentials} as a JSON schema. */
export const credentials = {
  type: 'object',
  required: ['username', 'password'],
  properties: {
    username: { type: 'string', minLength: 1, maxLength: 64 },
    // scrypt reads all of it.
    password: { type: 'string', minLength: 1, maxLength: 256 }
  }
}

// Shared by all apps of the process, because hashing the passwords takes a while.
let directory: Promise<UserDirectory> | undefined

/** Login, renewal and logout. */
export const session: FastifyPluginAsync<DemoOptions> = async (fastify, { config }) => {
  const { sessionTtl } = config
  const users = await (directory ??= createUserDirectory(demoUsers))
  fastify.addHook('onRequest', async (_request, reply) => { reply.header('cache-control', 'no-store') })

  fastify.post<{ Body: Credentials }>('/login', {
    schema: { body: credentials },
    config: { rateLimit: { max: 300, timeWindow: 60_000 } }
  }, async (request, reply) => {
    const user = await users.login(request.body.username, request.body.password)
    if (user === null) throw new BadCredentials()
    // A login replaces the session that the browser had (ASVS 5.0, 7.2.4).
    const open = await openSession(request)
    if (open !== null) await endOpenSession(fastify, open, sessionTtl)
    return sendSession(reply, begin(user, sessionTtl))
  })

  // A reloaded page gets a JWT here, since it cannot read the cookie.
  fastify.post('/session', { onRequest: fastify.authenticate }, async (request, reply) => {
    const claims = renew(request.user as SessionClaims, sessionTtl)
    if (claims === null) throw new NotAuthenticated()
    return sendSession(reply, claims)
  })

  fastify.get('/me', { onRequest: fastify.authenticate }, async request => userOf(request.user as SessionClaims))

  fastify.post('/logout', { onRequest: fastify.authenticate }, async (request, reply) => {
    const claims = request.user as SessionClaims
    fastify.denylist.add(claims, endOf(claims, sessionTtl))
    fastify.wsHub.disconnect(claims.sub)
    reply.clearCookie(sessionCookieOf(request), { path: '/', secure: request.protocol === 'https' })
    try {
      await fastify.wsTickets.revoke(claims.sub)
    } catch (error) {
      // The session is over anyway: a ticket is useless without a JWT, and soon expires.
      request.log.warn({ err: error }, 'outstanding tickets could not be revoked')
    }
    return reply.code(204).send()
  })

  /** Sends the JWT, to the page and as a cookie. */
  function sendSession (reply: FastifyReply, claims: OwnClaims) {
    const token = fastify.jwt.sign(claims)
    reply.setCookie(sessionCookieOf(reply.request), token, {
      path: '/',
      httpOnly: true,
      sameSite: 'strict',
      secure: reply.request.protocol === 'https',
      maxAge: claims.exp - claims.iat
    })
    return { token, user: userOf(claims), expiresAt: claims.exp * 1000 }
  }
}
