import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import type { DemoOptions } from '../config.js'
import { BadCredentials, NotAuthenticated } from '../errors.js'
import { clearSession, sessionCookieOf } from '../plugins/auth.js'
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
    if (open !== null) await fastify.endSession(open, endOf(open, sessionTtl))
    const claims = begin(user, sessionTtl)
    fastify.noteSession(request, claims)
    return sendSession(reply, claims)
  })

  // A reloaded page gets a JWT here, since it cannot read the cookie.
  fastify.post('/session', { onRequest: fastify.authenticate }, async (request, reply) => {
    const claims = renew(request.user as SessionClaims, sessionTtl)
    if (claims === null) throw new NotAuthenticated()
    fastify.noteSession(request, claims)
    return sendSession(reply, claims)
  })

  fastify.get('/me', { onRequest: fastify.authenticate }, async request => userOf(request.user as SessionClaims))

  fastify.post('/logout', { onRequest: fastify.authenticate }, async (request, reply) => {
    const claims = request.user as SessionClaims
    clearSession(reply)
    await fastify.endSession(claims, endOf(claims, sessionTtl))
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

/** The claims of the session that a request belongs to; `null` if it belongs to none that is valid. */
async function openSession (request: FastifyRequest): Promise<SessionClaims | null> {
  try {
    return await request.jwtVerify<SessionClaims>()
  } catch {
    return null
  }
}
