import cookie from '@fastify/cookie'
import jwt from '@fastify/jwt'
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { randomBytes } from 'node:crypto'
import type { DemoOptions } from '../config.js'
import { Denylist } from '../denylist.js'
import { Forbidden, NotAuthenticated } from '../errors.js'
import type { SessionClaims } from '../session-claims.js'
import { SharedDenylist } from '../shared-denylist.js'
import { userOf } from '../users.js'

/** Name of the cookie that holds the session's JWT. */
export const SESSION_COOKIE = 'session'

declare module 'fastify' {
  interface FastifyInstance {
    /** Sessions that were logged out, for HTTP and WebSockets, on all nodes of a bus. */
    denylist: Denylist
    /** A hook that sets `request.user` if the request has a valid session, and else answers 401. */
    authenticate (request: FastifyRequest): Promise<void>
    /** A hook, to be used after `authenticate`, that answers 403 unless the user is an admin. */
    requireAdmin (request: FastifyRequest): Promise<void>
  }
}

/** Sessions: JWTs (HS256) in the Authorization header or in a cookie. */
export const auth = fp<DemoOptions>(async (fastify, { config }) => {
  // RFC 7518, section 3.2: a key for HS256 has 256 bits or more.
  if (config.jwtSecret !== undefined && config.jwtSecret.length < 32) {
    fastify.log.warn('JWT_SECRET is shorter than 32 characters: anyone who guesses it can forge tokens')
  }
  const denylist = fastify.bus === null
    ? new Denylist()
    : new SharedDenylist({ bus: fastify.bus, isUp: () => fastify.wsHub.health().bus === 'up' })
  fastify.decorate('denylist', denylist)
  fastify.addHook('onClose', async () => denylist.close())

  await fastify.register(cookie)
  await fastify.register(jwt, {
    secret: config.jwtSecret ?? randomBytes(32).toString('base64url'),
    cookie: { cookieName: SESSION_COOKIE, signed: false },
    sign: { algorithm: 'HS256' },
    // Without requiredClaims, a token that never expires would be accepted.
    verify: { algorithms: ['HS256'], requiredClaims: ['sub', 'exp'] },
    trusted: (_request, claims) => (claims as SessionClaims).sub !== '' && !denylist.has(claims)
  })

  fastify.decorate('authenticate', async request => {
    try {
      await request.jwtVerify()
    } catch {
      // The same answer for every defect of a token, or of the header that carries it.
      throw new NotAuthenticated()
    }
  })
  fastify.decorate('requireAdmin', async request => {
    if (userOf(request.user as SessionClaims).role !== 'admin') throw new Forbidden()
  })
}, { name: 'demo-auth', dependencies: ['demo-bus', 'demo-websocket'] })
