import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import t, { type Test } from 'tap'

const root = resolve(import.meta.dirname, '..')
const model = await readFile(join(root, 'docs/threat-model.md'), 'utf8')

/** The cells of each row of a section's tables. */
function rowsOf (section: string): string[][] {
  const [, text = ''] = model.split(`\n${section}\n`)
  return text.split(/\n##/)[0]?.split('\n').filter(line => line.startsWith('| ')).map(line => line.split('|').slice(1, -1).map(cell => cell.trim())).slice(1) ?? []
}

const REQUIREMENTS = [
  ...[1, 2, 3, 4, 5].map(number => `V4.2.${number}`), ...[1, 2, 3, 4].map(number => `V4.4.${number}`),
  ...[1, 2, 3, 4].map(number => `V7.2.${number}`), 'V7.3.1', 'V7.3.2', ...[1, 2, 3, 4, 5].map(number => `V7.4.${number}`),
  'V9.1.1', 'V9.1.2', 'V9.1.3', ...[1, 2, 3, 4].map(number => `V9.2.${number}`)
]

t.test('each requirement of the ASVS says what enforces it, how far, and which test shows it', async t => {
  const rows = rowsOf('### 9.1 ASVS 5.0')
  t.strictSame(rows.map(([number]) => number), REQUIREMENTS)
  for (const [number, short, enforced, by, tests] of rows) check(t, number, [short, enforced, by], enforced, tests)
})

t.test('so does each advice of the cheat sheet', async t => {
  const rows = rowsOf('### 9.2 OWASP WebSocket Security Cheat Sheet')
  t.ok(rows.length > 15, `${rows.length} rows`)
  for (const [advice, enforced, by, tests] of rows) check(t, advice, [by], enforced, tests)
})

function check (t: Test, name = '', cells: Array<string | undefined>, enforced = '', tests = ''): void {
  t.match(enforced, /^(?:default|option|application|does not apply)$/, name)
  t.ok(cells.every(cell => cell !== undefined && cell !== ''), `${name} is complete`)
  const files = [...tests.matchAll(/`([^`]+)`/g)].map(([, file]) => file as string)
  t.ok(files.length > 0, `${name} names a test`)
  for (const file of files) t.ok(/\.test\.ts$/.test(file) && existsSync(join(root, file)), `${name}: ${file}`)
}

t.test('whatever a threat leaves has a reason', async t => {
  const left = [...model.matchAll(/^\*\*(T\d+[a-z]?)\. [^]*?(?=^\*\*T|^##)/gm)].filter(([text]) => text.includes('- Remains:')).map(([, threat]) => threat)
  t.ok(left.length > 30, `${left.length} threats leave something`)
  const rows = rowsOf('### 5.8 Why the rest remains')
  t.strictSame(rows.map(([threat]) => threat), left)
  for (const [threat, reason, why] of rows) {
    t.match(reason, /^(?:somebody else's|a choice|a cost|nobody can|closed)$/, `${threat}`)
    t.ok(why !== undefined && why !== '', `${threat} says why`)
  }
})

t.test('every file that the model names with its whole path exists', async t => {
  const files = [...model.matchAll(/`((?:apps|docs|packages|plugins|test)\/[\w./-]+\.(?:ts|md|js))`/g)].map(([, file]) => file as string)
  t.ok(files.length > 100, `${files.length} files`)
  for (const file of new Set(files)) t.ok(existsSync(join(root, file)), file)
})
