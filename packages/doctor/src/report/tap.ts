import type { Report } from '../report.js'

/** A report in the Test Anything Protocol, version 14. */
export function tapReport ({ findings }: Report): string {
  const lines = ['TAP version 14', `1..${findings.length}`]
  findings.forEach(({ rule, result, evidence }, index) => {
    const name = `${index + 1} - ${escape(`${rule.id}: ${rule.title}`)}`
    if (result === 'pass') lines.push(`ok ${name}`)
    else if (result === 'fail') {
      lines.push(`not ok ${name}${rule.level === 'should' ? ' # TODO it should, and need not' : ''}`, '  ---')
      for (const [key, value] of Object.entries({ evidence, proves: rule.proves, cure: rule.cure, section: rule.section })) lines.push(`  ${key}: ${JSON.stringify(value)}`)
      lines.push('  ...')
    } else lines.push(`ok ${name} # SKIP ${result === 'unknown' ? 'unknown: ' : ''}${escape(evidence)}`)
  })
  return `${lines.join('\n')}\n`
}

function escape (text: string): string {
  return text.replace(/[\\#]/g, '\\$&').replace(/\s+/g, ' ')
}
