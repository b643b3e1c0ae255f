import type { Result } from './outcome.js'
import type { Rule } from './rule.js'

/** What will be sent at most, told beforehand. */
export interface Plan {
  /** Rules that can be looked at. */
  rules: number
  /** Connections that are opened at most. Each has one request. */
  requests: number
  /** Of them in a second. */
  rate: number
}

/** What was found of a rule. */
export interface Finding {
  rule: Rule
  result: Result
  /** What was seen, or why nothing was; without any credential. */
  evidence: string
  /** In milliseconds. */
  took: number
}

/** What an examination has found. */
export interface Report {
  url: string
  /** What was told beforehand. */
  plan: Plan
  /** Connections that were opened. */
  sent: number
  /** In milliseconds. */
  took: number
  /** In the order of the rules. */
  findings: Finding[]
  /** How many findings have each result. */
  counts: Record<Result, number>
  /** Why an honest client does not get in, so that much cannot be told; `null` if it does. */
  honest: string | null
}

/** Counts the findings of a report. */
export function makeReport (report: Omit<Report, 'counts'>): Report {
  const counts = { pass: 0, fail: 0, skipped: 0, unknown: 0 }
  for (const { result } of report.findings) counts[result]++
  return { ...report, counts }
}

/** The exit codes of the command. */
export const ExitCode = {
  /** Nothing that was looked at is open. */
  LOCKED: 0,
  /** A rule failed: one that a server must keep, or with `--strict` any. */
  OPEN: 1,
  /** The command line is wrong. Nothing was sent. */
  USAGE: 2,
  /** Nothing is known to be open, but an honest client did not get in, so most was not looked at. */
  NOT_EXAMINED: 3
} as const

/**
 * The exit code that says what a report says.
 *
 * @param strict whether a rule of the level `should` counts as well
 */
export function exitCodeOf ({ findings, honest }: Report, strict: boolean): number {
  if (findings.some(({ result, rule }) => result === 'fail' && (strict || rule.level === 'must'))) return ExitCode.OPEN
  return honest === null ? ExitCode.LOCKED : ExitCode.NOT_EXAMINED
}
