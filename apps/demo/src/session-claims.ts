import { randomUUID } from 'node:crypto'
import { type User, userOf } from './users.js'

/** Time after the login for which a session can be renewed, in milliseconds. */
export const RENEWABLE_MS = 12 * 60 * 60 * 1_000

/** The claims of a session's JWT. One that somebody else made who knows the secret has `sub` and `exp` at least. */
export interface SessionClaims {
  sub: string
  /** In seconds since the epoch. */
  exp: number
  /** Names the token. */
  jti?: string
  /** Names the session: what came from one login, renewals included. */
  sid?: string
  /** When the login was, in seconds since the epoch (OpenID Connect Core, section 2; RFC 9068, section 2.2.1). */
  auth_time?: number
  name?: string
  role?: string
}

/** The claims of a JWT that the demo makes. */
export type OwnClaims = Required<SessionClaims> & {
  /** In seconds since the epoch. */
  iat: number
}

/**
 * A session begins.
 *
 * @param ttl life of the JWT in milliseconds; whole seconds count
 */
export function begin (user: User, ttl: number, now = Date.now()): OwnClaims {
  return claimsOf(user, { sid: randomUUID(), auth_time: Math.floor(now / 1000) }, ttl, now)
}

/**
 * The session goes on, with a new JWT.
 *
 * @param claims of one of its JWTs
 * @param ttl life of the new JWT in milliseconds; whole seconds count
 * @returns `null` where the login was too long ago, or nobody knows when it was
 */
export function renew (claims: SessionClaims, ttl: number, now = Date.now()): OwnClaims | null {
  const { sid, auth_time: loggedIn } = claims
  if (typeof sid !== 'string' || typeof loggedIn !== 'number' || now >= loggedIn * 1000 + RENEWABLE_MS) return null
  return claimsOf(userOf(claims), { sid, auth_time: loggedIn }, ttl, now)
}

/**
 * When the last JWT of a session has expired, those of renewals included that a node may still make which does not
 * know of the logout. In milliseconds since the epoch.
 *
 * @param claims of one of its JWTs
 * @param ttl life of a JWT in milliseconds
 */
export function endOf ({ exp, auth_time: loggedIn }: SessionClaims, ttl: number): number {
  const renewed = typeof loggedIn === 'number' ? loggedIn * 1000 + RENEWABLE_MS + ttl : 0
  return Math.max(exp * 1000, renewed)
}

function claimsOf ({ id, name, role }: User, session: Pick<OwnClaims, 'sid' | 'auth_time'>, ttl: number, now: number): OwnClaims {
  const iat = Math.floor(now / 1000)
  return { sub: id, name, role, jti: randomUUID(), ...session, iat, exp: iat + Math.floor(ttl / 1000) }
}
