import cookie from '@fastify/cookie'
import jwt from '@fastify/jwt'
import type { FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { randomBytes } from 'node:crypto'
import type { DemoOptions } from '../config.js'
import { Denylist } from '../denylist.js'
import { Forbidden, NotAuthenticated } from '../errors.js'
import type { SessionClaims } from '../session-claims.js'
import { SharedDenylist } from '../shared-denylist.js'
import { userOf } from '../users.js'

/** Name of the cookie that holds the session's JWT. */
const SESSION_COOKIE = 'session'

/**
 * The cookie's name for a request. Under TLS browsers take one with this prefix from this host alone, for all its paths
 * (RFC 6265bis, section 4.1.3.2), so that no neighbor and nobody without TLS can set it.
 */
export function sessionCookieOf ({ protocol }: Pick<FastifyRequest, 'protocol'>): string {
  return protocol === 'https' ? `__Host-${SESSION_COOKIE}` : SESSION_COOKIE
}

/** Takes the session's cookie from a browser. */
export function clearSession (reply: FastifyReply): void {
  const { request } = reply
  reply.clearCookie(sessionCookieOf(request), { path: '/', secure: request.protocol === 'https' })
}

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
  // @fastify/jwt reads one name: under TLS it finds there what the other cookie has, and never the cookie of that name.
  fastify.addHook('onRequest', (request, _reply, done) => {
    if (request.protocol === 'https') request.cookies[SESSION_COOKIE] = request.cookies[sessionCookieOf(request)]
    done()
  })
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
