import type { Visit } from './visit.js'

/**
 * - `pass`: what the rule requires was seen
 * - `fail`: the contrary was seen
 * - `skipped`: it was not looked at
 * - `unknown`: it was looked at, and cannot be told
 */
export type Result = 'pass' | 'fail' | 'skipped' | 'unknown'

/** What a probe has found. */
export interface Outcome {
  result: Result
  /** What was seen, or why nothing was. */
  evidence: string
}

/** Looks whether a rule holds. */
export type Probe = (visit: Visit) => Promise<Outcome>

export const pass = (evidence: string): Outcome => ({ result: 'pass', evidence })
export const fail = (evidence: string): Outcome => ({ result: 'fail', evidence })
export const skipped = (evidence: string): Outcome => ({ result: 'skipped', evidence })
export const unknown = (evidence: string): Outcome => ({ result: 'unknown', evidence })
