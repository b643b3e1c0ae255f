/** Why an upgrade was refused, as the body of the answer says it. */
export interface Refusal {
  statusCode: number
  /** Empty where the server gives none. */
  code: string
  message: string
}

/** How the server answered an attack. */
export type Answer =
  /** No 101; `null` where nobody knows why. */
  | { kind: 'refused', refusal: Refusal | null }
  /** Closed after the 101. */
  | { kind: 'closed', code: number, reason: string, announced: boolean }
  /** The attack succeeded. */
  | { kind: 'in', what: string }

/** The required answer: an HTTP status with its code, or a close code. */
export type Expected = { status: number, code: string } | { close: number }

/**
 * - `held`: the server gave the expected answer
 * - `broken`: the attack succeeded
 * - `unclear`: the attack failed, but not with the expected answer, or it could not be tried
 */
export type Verdict = 'held' | 'broken' | 'unclear'

/** Decides whether the doors held. */
export function judge (answer: Answer, expected: Expected): Verdict {
  if (answer.kind === 'in') return 'broken'
  if ('close' in expected) return answer.kind === 'closed' && expected.close === answer.code ? 'held' : 'unclear'
  const { statusCode, code } = (answer.kind === 'refused' && answer.refusal) || { statusCode: 0, code: '' }
  return statusCode === expected.status && code === expected.code ? 'held' : 'unclear'
}

/** Describes the expected answer in a line. */
export function describeExpected (expected: Expected): string {
  return 'close' in expected ? `close ${expected.close}` : `HTTP ${expected.status} ${expected.code}`
}

/** Describes the server's answer in a line. */
export function describeAnswer (answer: Answer): string {
  switch (answer.kind) {
    case 'in': return answer.what
    case 'closed': return `close ${answer.code}${answer.reason === '' ? '' : `, ${answer.reason}`}${answer.announced ? ', after an auth_error' : ''}`
    case 'refused': return answer.refusal === null
      ? '1006, reason unknown'
      : `HTTP ${answer.refusal.statusCode} ${answer.refusal.code}: ${answer.refusal.message}`
  }
}

/** Returns the status or the close code alone. */
export function codeOf (answer: Answer): number | null {
  if (answer.kind === 'in') return null
  return answer.kind === 'closed' ? answer.code : answer.refusal?.statusCode ?? null
}
