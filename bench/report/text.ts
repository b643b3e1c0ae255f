import type { Outcome, Verdict } from '../lib/outcome.js'
import { show } from '../lib/statistics.js'

/** Whether a target was met; nothing where there is none. */
export function judge ({ figure, target }: Verdict): string {
  return target === undefined ? '' : figure.median <= target ? 'met' : 'missed'
}

const withUnit = (text: string, unit: string): string => unit === '' ? text : `${text} ${unit}`

/** A verdict as the cells of a table. */
export function verdictCells (verdict: Verdict): string[] {
  const { what, figure, unit, target } = verdict
  return [what, withUnit(show(figure), unit), target === undefined ? '' : `<= ${withUnit(target.toFixed(2), unit)}`, judge(verdict)]
}

/** The peers of a row as the cells of a table, with a head; columns that nobody has are left out. */
export function lineCells ({ columns, lines }: Outcome): { head: string[], body: string[][] } {
  const used = columns.filter(column => lines.some(({ cells }) => cells[column] !== undefined))
  return {
    head: ['', ...used],
    body: lines.map(({ peer, cells }) => [peer, ...used.map(column => cells[column] === undefined ? '-' : show(cells[column]))])
  }
}

/** A table for a terminal. */
export function terminalTable (rows: readonly string[][]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map(row => (row[column] ?? '').length)))
  return rows.map(row => `  ${row.map((cell, column) => cell.padEnd(widths[column] as number)).join('  ').trimEnd()}\n`).join('')
}

/** A table in Markdown. */
export function markdownTable (head: readonly string[], body: readonly string[][]): string {
  const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |\n`
  return `${row(head)}|${'---|'.repeat(head.length)}\n${body.map(row).join('')}`
}

/** A row for a terminal. */
export function terminalRow (title: string, outcome: Outcome): string {
  const { head, body } = lineCells(outcome)
  return [
    `\n${title}${outcome.how === '' ? '' : ` (${outcome.how})`}\n`,
    body.length > 0 ? terminalTable([head, ...body]) : '',
    outcome.verdicts.length > 0 ? `\n${terminalTable(outcome.verdicts.map(verdictCells))}` : '',
    ...outcome.notes.map(note => `  left out: ${note}\n`)
  ].join('')
}
