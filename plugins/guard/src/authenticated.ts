import type { Misuse, Rule } from '@fastify-airlock/core'
import type { Authenticated } from './authenticator.js'
import { GUARD_WARNINGS } from './warnings.js'

const AUTHENTICATES: Rule = {
  hook: 'authenticate',
  expected: 'null or a user',
  cure: 'return { subject } with the id of the user, a string, or null; claims is an object, and expiresAt a number of milliseconds since the epoch',
  code: GUARD_WARNINGS.NO_SUBJECT
}

/** No date in milliseconds since 1973 is smaller, and no date in seconds before the year 5138 is larger. */
const SECONDS = 1e11

/**
 * Reads the answer of an authenticator. Nothing but a user with an id lets in.
 *
 * @param now the clock, in milliseconds since the epoch
 * @default now Date.now
 * @returns who it is; `null` for everybody else, and for one whose credential has expired
 */
export function readAuthenticated (answer: unknown, misuse: Misuse, now: () => number = Date.now): Authenticated | null {
  if (answer === null) return null
  const { subject, claims, expiresAt } = (answer ?? {}) as { [Name in keyof Authenticated]: unknown }
  const isUser = typeof subject === 'string' && subject !== '' &&
    (claims === undefined || claims === null || (typeof claims === 'object' && !Array.isArray(claims))) &&
    (expiresAt === undefined || expiresAt === null || (Number.isFinite(expiresAt) && (expiresAt as number) > SECONDS))
  if (isUser) return typeof expiresAt === 'number' && expiresAt <= now() ? null : answer as Authenticated
  misuse.answer(AUTHENTICATES, answer)
  return null
}
