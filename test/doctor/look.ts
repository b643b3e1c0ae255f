import { type DoctorOptions, examine, type Report, type RuleId } from '@fastify-airlock/doctor'
import { createHmac } from 'node:crypto'
import type { Test } from 'tap'

/** The secret of every server that is examined here. */
export const SECRET = 'a secret of the doctor\'s tests, 32 characters or more'

/** Patience for what does come, however busy the machine is. */
export const PATIENCE = 120_000

/** A JWT of the server's own, made without the library that checks it. */
export function sign (claims: object): string {
  const input = [{ alg: 'HS256', typ: 'JWT' }, claims].map(part => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
  return `${input}.${createHmac('sha256', SECRET).update(input).digest('base64url')}`
}

/** A JWT with some claims changed, and signed. */
export function resign (token: string, change: object): string {
  return sign({ ...JSON.parse(Buffer.from(token.split('.')[1] as string, 'base64url').toString()), ...change })
}

/** All tokens that the doctor has a use for, out of two. */
export function tokensOf (token: string, secondToken: string, seconds = Math.floor(Date.now() / 1_000)) {
  return {
    token: resign(token, { exp: seconds + 3_600 }),
    secondToken: resign(secondToken, { exp: seconds + 3_600 }),
    expiredToken: resign(token, { iat: seconds - 120, exp: seconds - 60 }),
    shortToken: resign(token, { exp: seconds + 5 }),
    widerToken: resign(token, { exp: seconds + 3_600, scope: 'everything' })
  }
}

/** Examines a server: no rule may fail, and none may remain unknown or be skipped but those that are named. */
export async function holds (t: Test, options: DoctorOptions, { unknown = [], skipped = [], onDrain }: { unknown?: RuleId[], skipped?: RuleId[], onDrain?: () => void } = {}): Promise<Report> {
  const report = await examine({ patience: PATIENCE, rate: 1_000, ...options }, { ...(onDrain !== undefined && { onDrain }) })
  const inside = report.findings.filter(({ rule }) => rule.area === 'inside').map(({ rule }) => rule.id)
  for (const { rule, result, evidence } of report.findings) {
    const expected = ([...unknown] as string[]).includes(rule.id) ? 'unknown' : [...skipped, ...inside].includes(rule.id) ? 'skipped' : 'pass'
    // What a proxy makes of a request is its own matter: where nothing can be told, it may also hold.
    if (!(expected === 'unknown' && result === 'pass')) t.equal(result, expected, `${rule.id}: ${evidence}`)
  }
  t.ok(report.sent <= report.plan.requests, `${report.sent} of at most ${report.plan.requests} requests in ${report.took} ms`)
  t.notMatch(JSON.stringify(report), /eyJ[\w-]{5}|(?<![\w-])[\w-]{43}(?![\w-])/, 'no token, no ticket')
  return report
}
