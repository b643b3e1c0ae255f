import { type AcceptedClaims, type ClaimsProblem, createClaimsCheck, type WsClaims } from '@fastify-airlock/core'

/** What a look-up has found out about a token. */
export interface Introspected {
  /** The user's id; not empty. */
  subject: string
  /**
   * What else is known of the user.
   * @default {}
   */
  claims?: WsClaims
  /**
   * When the token expires, in milliseconds since the epoch.
   * @default null
   */
  expiresAt?: number | null
}

/** Why a token is refused. Clients are not told. */
export type IntrospectProblem = 'inactive' | 'expired' | 'not yet valid' | 'no subject' | ClaimsProblem

/** The user that a token stands for, or why the token is refused. */
export type Verdict = Required<Introspected> | IntrospectProblem

/** The settings that decide about an answer. */
export interface JudgeSettings extends AcceptedClaims {
  subjectClaim: string
  clockTolerance: number
  claims: (answer: Record<string, unknown>) => WsClaims
}

/**
 * Makes the function that judges an authority's answers (RFC 7662, section 2.2). The authority has checked the token;
 * time, issuer and audience are checked again if the answer has them.
 *
 * @param now the clock, in milliseconds since the epoch
 * @default now Date.now
 */
export function createJudge (settings: JudgeSettings, now: () => number = Date.now): (answer: unknown) => Verdict {
  const problemOfClaims = createClaimsCheck(settings)

  return answer => {
    if (!isObject(answer) || typeof answer.active !== 'boolean') {
      throw new Error('The authority did not say whether the token is active')
    }
    if (!answer.active) return 'inactive'
    const { exp, nbf, [settings.subjectClaim]: subject } = answer
    const expiresAt = readDate('exp', exp)
    const notBefore = readDate('nbf', nbf)
    const time = now()
    if (expiresAt !== null && expiresAt <= time) return 'expired'
    if (notBefore !== null && notBefore > time + settings.clockTolerance) return 'not yet valid'
    const problem = problemOfClaims(answer)
    if (problem !== null) return problem
    if (typeof subject !== 'string' || subject === '') return 'no subject'
    return { subject, claims: settings.claims(answer), expiresAt }
  }
}

/** Judges the result of the application's own look-up. It has the last word on everything but the expiry. */
export function judgeLookup (found: Introspected | null, now: () => number = Date.now): Verdict {
  if (found === null) return 'inactive'
  if (!isIntrospected(found)) throw new Error('lookup has to return null or { subject, claims, expiresAt }')
  const { subject, claims, expiresAt = null } = found
  return expiresAt !== null && expiresAt <= now() ? 'expired' : { subject, claims: claims ?? {}, expiresAt }
}

/** Whether a value is what a look-up may return: a user with an id. */
export function isIntrospected (found: unknown): found is Introspected | null {
  if (found === null) return true
  if (!isObject(found)) return false
  const { subject, claims = null, expiresAt = null } = found
  return typeof subject === 'string' && subject !== '' &&
    (claims === null || (isObject(claims) && !Array.isArray(claims))) && (expiresAt === null || Number.isFinite(expiresAt))
}

function isObject (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

/** Converts a time of an answer, in seconds, to milliseconds. */
function readDate (name: string, value: unknown): number | null {
  if (value === undefined || value === null) return null
  if (typeof value !== 'number' || !Number.isFinite(value)) throw new Error(`The authority answered with an ${name} that is no number`)
  return value * 1000
}
