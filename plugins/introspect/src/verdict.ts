import type { Introspected } from './types.js'

/** Why a token is refused. A client is told no more than that it is. */
export type TokenProblem = 'inactive' | 'expired' | 'not yet valid' | 'wrong issuer' | 'wrong audience' | 'no subject'

/** Who a token speaks of, or why it is refused. */
export type Verdict = Required<Introspected> | TokenProblem

/** What a verdict on an answer depends on. */
export interface AnswerRules {
  subjectClaim: string
  audience?: string | string[] | undefined
  issuer?: string | string[] | undefined
  clockTolerance: number
  claims: (answer: Record<string, unknown>) => Required<Introspected>['claims']
}

/**
 * Makes the judge of an authority's answers (RFC 7662, section 2.2). The authority has checked the token; what is
 * checked again here is what an answer may tell about its time, its issuer and its audience.
 *
 * @param now the clock, in milliseconds since the epoch
 * @default now Date.now
 */
export function createJudge (rules: AnswerRules, now: () => number = Date.now): (answer: unknown) => Verdict {
  const issuers = rules.issuer === undefined ? null : new Set<unknown>([rules.issuer].flat())
  const audiences = rules.audience === undefined ? null : new Set<unknown>([rules.audience].flat())

  return answer => {
    if (!isObject(answer) || typeof answer.active !== 'boolean') {
      throw new Error('The authority did not say whether the token is active')
    }
    if (!answer.active) return 'inactive'
    const { exp, nbf, iss, aud, [rules.subjectClaim]: subject } = answer
    const expiresAt = readDate('exp', exp)
    const notBefore = readDate('nbf', nbf)
    const time = now()
    if (expiresAt !== null && expiresAt <= time) return 'expired'
    if (notBefore !== null && notBefore > time + rules.clockTolerance) return 'not yet valid'
    if (issuers !== null && !issuers.has(iss)) return 'wrong issuer'
    if (audiences !== null && ![aud].flat().some(audience => audiences.has(audience))) return 'wrong audience'
    if (typeof subject !== 'string' || subject === '') return 'no subject'
    return { subject, claims: rules.claims(answer), expiresAt }
  }
}

/** The verdict of a look-up of the application's own, which has the last word on everything but the expiry. */
export function judgeLookup (found: Introspected | null, now: () => number = Date.now): Verdict {
  if (found === null) return 'inactive'
  if (!isObject(found) || typeof found.subject !== 'string' || found.subject === '') {
    throw new Error('lookup has to return null or { subject, claims, expiresAt }')
  }
  const { subject, claims = {}, expiresAt = null } = found
  if (expiresAt !== null && !Number.isFinite(expiresAt)) throw new Error('lookup returned an expiresAt that is no number')
  return expiresAt !== null && expiresAt <= now() ? 'expired' : { subject, claims, expiresAt }
}

function isObject (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

/** A time of an answer, which has seconds, in milliseconds. */
function readDate (name: string, value: unknown): number | null {
  if (value === undefined || value === null) return null
  if (typeof value !== 'number' || !Number.isFinite(value)) throw new Error(`The authority answered with an ${name} that is no number`)
  return value * 1000
}
