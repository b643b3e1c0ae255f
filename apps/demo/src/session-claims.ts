import { randomUUID } from 'node:crypto'
import { type User, userOf } from './users.js'

/** How long after the login a session can be renewed, in milliseconds. */
export const RENEWABLE_MS = 12 * 60 * 60 * 1_000

/** The claims of a session's JWT. A token from another issuer that knows the secret has at least `sub` and `exp`. */
export interface SessionClaims {
  sub: string
  /** In seconds since the epoch. */
  exp: number
  /** Identifies the token. */
  jti?: string
  /** Identifies the session: all tokens of one login, renewals included. */
  sid?: string
  /** Time of the login, in seconds since the epoch (OpenID Connect Core, section 2; RFC 9068, section 2.2.1). */
  auth_time?: number
  name?: string
  role?: string
}

/** The claims of a JWT that the demo issues. */
export type OwnClaims = Required<SessionClaims> & {
  /** In seconds since the epoch. */
  iat: number
}

/**
 * Begins a session.
 *
 * @param ttl lifetime of the JWT in milliseconds; only whole seconds count
 */
export function begin (user: User, ttl: number, now = Date.now()): OwnClaims {
  return claimsOf(user, { sid: createSid(now), auth_time: Math.floor(now / 1000) }, ttl, now)
}

/**
 * Continues a session with a new JWT.
 *
 * @param claims of one of its JWTs
 * @param ttl lifetime of the new JWT in milliseconds; only whole seconds count
 * @returns `null` if the login was too long ago, or the claims do not say when it was
 */
export function renew (claims: SessionClaims, ttl: number, now = Date.now()): OwnClaims | null {
  const { sid, auth_time: loggedIn } = claims
  if (typeof sid !== 'string' || typeof loggedIn !== 'number' || now >= loggedIn * 1000 + RENEWABLE_MS) return null
  return claimsOf(userOf(claims), { sid, auth_time: loggedIn }, ttl, now)
}

/**
 * When the last JWT of a session expires, in milliseconds since the epoch. A node that does not know of the logout may
 * still renew the session, so this counts every renewal that is possible.
 *
 * @param claims of one of its JWTs
 * @param ttl lifetime of a JWT in milliseconds
 */
export function endOf ({ exp, auth_time: loggedIn }: SessionClaims, ttl: number): number {
  const renewed = typeof loggedIn === 'number' ? loggedIn * 1000 + RENEWABLE_MS + ttl : 0
  return Math.max(exp * 1000, renewed)
}

/** The claims that tell when a session began. */
interface Began {
  sid?: unknown
  auth_time?: unknown
  iat?: unknown
}

/**
 * When a session began, in milliseconds since the epoch: by its `sid` if the demo has made it, else by the second that the
 * claims name; 0 if they name none.
 */
export function beganAt (claims: object): number {
  const { sid, auth_time: loggedIn, iat } = claims as Began
  const [, start, end] = TIMED.exec(typeof sid === 'string' ? sid : '') ?? []
  if (start !== undefined) return parseInt(`${start}${end}`, 16)
  const seconds = [loggedIn, iat].find(time => typeof time === 'number')
  return typeof seconds === 'number' ? seconds * 1000 : 0
}

/** A UUID of version 7: its first 48 bits are the time (RFC 9562, section 5.7). */
const TIMED = /^([\da-f]{8})-([\da-f]{4})-7/

function createSid (now: number): string {
  const time = now.toString(16).padStart(12, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}-7${randomUUID().slice(15)}`
}

function claimsOf ({ id, name, role }: User, session: Pick<OwnClaims, 'sid' | 'auth_time'>, ttl: number, now: number): OwnClaims {
  const iat = Math.floor(now / 1000)
  return { sub: id, name, role, jti: randomUUID(), ...session, iat, exp: iat + Math.floor(ttl / 1000) }
}
