import type { Report } from '../report.js'

/** A report in the XML of JUnit, as CI systems read it. */
export function junitReport ({ url, findings, counts, took }: Report): string {
  const cases = findings.map(({ rule, result, evidence, took }) => {
    const head = `    <testcase classname="${escape(rule.area)}" name="${escape(`${rule.id}: ${rule.title}`)}" time="${took / 1_000}"`
    if (result === 'pass') return `${head}/>`
    if (result !== 'fail') return `${head}><skipped message="${escape(evidence)}"/></testcase>`
    return `${head}><failure type="${rule.level}" message="${escape(evidence)}">${escape(`${rule.proves}\nCure: ${rule.cure}\nRequired by: ${rule.section}`)}</failure></testcase>`
  })
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<testsuites>',
    `  <testsuite name="${escape(`airlock-doctor ${url}`)}" tests="${findings.length}" failures="${counts.fail}" skipped="${counts.skipped + counts.unknown}" time="${took / 1_000}">`,
    ...cases,
    '  </testsuite>',
    '</testsuites>',
    ''
  ].join('\n')
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }

function escape (text: string): string {
  // XML 1.0 has no way to write most control characters.
  return text.replace(/[\p{Cc}\ufffe\uffff]/gu, character => '\t\r\n'.includes(character) ? character : '\ufffd').replace(/[&<>"]/g, character => ENTITIES[character] as string)
}
