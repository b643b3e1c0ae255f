import type { FastifyInstance, FastifyRequest } from 'fastify'
import { endOf, RENEWABLE_MS, type SessionClaims } from './session-claims.js'

/** The claims of the session that a request belongs to; `null` if it belongs to none that is valid. */
export async function openSession (request: FastifyRequest): Promise<SessionClaims | null> {
  try {
    return await request.jwtVerify<SessionClaims>()
  } catch {
    return null
  }
}

/**
 * Ends one session: its JWTs, the user's sockets and outstanding tickets.
 *
 * @param ttl lifetime of a JWT in milliseconds
 */
export async function endOpenSession (fastify: FastifyInstance, claims: SessionClaims, ttl: number): Promise<void> {
  fastify.denylist.add(claims, endOf(claims, ttl))
  fastify.wsHub.disconnect(claims.sub)
  await revokeTickets(fastify, claims.sub)
}

/**
 * Ends all sessions of a user, on every node.
 *
 * @param ttl lifetime of a JWT in milliseconds
 * @returns how many sockets of this node were closed
 */
export async function endSessionsOf (fastify: FastifyInstance, subject: string, ttl: number): Promise<number> {
  // Before the sockets, so that none comes back in between.
  fastify.denylist.addUser(subject, Date.now() + RENEWABLE_MS + ttl)
  const disconnected = fastify.wsHub.disconnect(subject)
  await revokeTickets(fastify, subject)
  return disconnected
}

async function revokeTickets (fastify: FastifyInstance, subject: string): Promise<void> {
  try {
    await fastify.wsTickets.revoke(subject)
  } catch (error) {
    // The session is over anyway: a ticket is useless without a JWT, and soon expires.
    fastify.log.warn({ err: error }, 'outstanding tickets could not be revoked')
  }
}
