import type { Refusal } from '../connection/refusal.js'

/** What became of an attempt. */
export type Answer =
  /** No 101; `null` where not even the demo knows why. */
  | { kind: 'refused', refusal: Refusal | null }
  /** Closed after the 101. */
  | { kind: 'closed', code: number, reason: string, announced: boolean }
  /** The attempt got what it must not get. */
  | { kind: 'in', what: string }

/** What the server has to answer: an HTTP status with its code, or a close code. */
export type Expected = { status: number, code: string } | { close: number }

/**
 * - `held`: answered as it has to be
 * - `broken`: somebody got in
 * - `unclear`: nobody got in, but not for the reason that was expected; or nothing could be tried
 */
export type Verdict = 'held' | 'broken' | 'unclear'

/** Whether the doors held. */
export function judge (answer: Answer, expected: Expected): Verdict {
  if (answer.kind === 'in') return 'broken'
  if ('close' in expected) return answer.kind === 'closed' && expected.close === answer.code ? 'held' : 'unclear'
  const { statusCode, code } = (answer.kind === 'refused' && answer.refusal) || { statusCode: 0, code: '' }
  return statusCode === expected.status && code === expected.code ? 'held' : 'unclear'
}

/** What the server has to answer, in a line. */
export function describeExpected (expected: Expected): string {
  return 'close' in expected ? `close ${expected.close}` : `HTTP ${expected.status} ${expected.code}`
}

/** What it answered, in a line. */
export function describeAnswer (answer: Answer): string {
  switch (answer.kind) {
    case 'in': return answer.what
    case 'closed': return `close ${answer.code}${answer.reason === '' ? '' : `, ${answer.reason}`}${answer.announced ? ', after an auth_error' : ''}`
    case 'refused': return answer.refusal === null
      ? '1006, and the demo does not know why'
      : `HTTP ${answer.refusal.statusCode} ${answer.refusal.code}: ${answer.refusal.message}`
  }
}

/** The status or the close code alone. */
export function codeOf (answer: Answer): number | null {
  if (answer.kind === 'in') return null
  return answer.kind === 'closed' ? answer.code : answer.refusal?.statusCode ?? null
}
