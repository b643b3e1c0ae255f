import type { Report } from '../report.js'

/** A report in JSON. */
export function jsonReport (report: Report): string {
  const findings = report.findings.map(({ rule: { id, title, area, level, section, proves, cure }, result, evidence, took }) =>
    ({ rule: id, result, evidence, title, area, level, section, proves, cure, took }))
  return `${JSON.stringify({ ...report, findings }, null, 2)}\n`
}
