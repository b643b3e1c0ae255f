import { styleText } from 'node:util'
import type { Result } from '../outcome.js'
import type { Finding, Plan, Report } from '../report.js'

type Format = Parameters<typeof styleText>[0]

const LOOK: Readonly<Record<Result, { word: string, format: Format }>> = {
  pass: { word: 'locked ', format: 'green' },
  fail: { word: 'OPEN   ', format: ['red', 'bold'] },
  skipped: { word: 'skipped', format: 'dim' },
  unknown: { word: 'unknown', format: 'yellow' }
}

/** A report for people. */
export function terminalReport (report: Report, color: boolean): string {
  const paint = painter(color)
  const lines: string[] = []
  let area = ''
  for (const { rule, result, evidence } of report.findings) {
    if (rule.area !== area) lines.push('', paint('bold', rule.area))
    area = rule.area
    const { word, format } = LOOK[result]
    lines.push(`  ${paint(format, rule.level === 'should' && result === 'fail' ? 'weak   ' : word)}  ${rule.id.padEnd(20)} ${rule.title}`)
    if (result === 'fail') {
      lines.push(`           seen:     ${evidence}`, `           so:       ${rule.proves}`, `           cure:     ${rule.cure}`, `           required: ${rule.section}`)
    } else if (result !== 'pass') lines.push(paint('dim', `           ${evidence}`))
  }
  const { counts, sent, plan, took, honest } = report
  lines.push('', `${counts.pass} locked, ${counts.fail} open, ${counts.unknown} unknown, ${counts.skipped} skipped; ${sent} of at most ${plan.requests} requests, ${(took / 1_000).toFixed(1)} s`)
  if (honest !== null) lines.push(paint('yellow', `Much was not looked at: ${honest}`))
  return `${lines.slice(1).join('\n')}\n`
}

/** What is told before anything is sent. */
export function describePlan (url: string, { rules, requests, rate }: Plan): string {
  return `${url}: ${rules} rules, at most ${requests} requests, ${rate} a second\n`
}

/** A line of progress, which the next one replaces. */
export function progressLine ({ rule, result }: Finding, done: number, total: number): string {
  return `\r\u001b[K${done}/${total} ${rule.id}: ${LOOK[result].word.trim()}`
}

function painter (color: boolean): (format: Format, text: string) => string {
  return (format, text) => color ? styleText(format, text, { validateStream: false } as object) : text
}
