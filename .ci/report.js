/**
 * The end of a run, of which a reader may get no more than that: what failed, and the totals of every suite added up.
 *
 * Usage: `node report.js <log of the tests> [name of each failed step]`
 */
import { readFileSync } from 'node:fs'

const BLOCK_LINES = 30
const SUITE_LINES = 100
const TAIL_LINES = 40

const [log, ...steps] = process.argv.slice(2)
const lines = readFileSync(log, 'utf8').split('\n')

const suites = new Map()
const failedSuites = new Set()
for (const line of lines) {
  const [, output, text, failed] = /^(\S+):test: (.*)|^(\S+)#test: +ERROR/.exec(line) ?? []
  if (failed !== undefined) failedSuites.add(failed)
  if (output === undefined) continue
  if (!suites.has(output)) suites.set(output, [])
  suites.get(output).push(text)
}

const sum = { pass: 0, fail: 0, skip: 0 }
for (const [name, output] of suites) {
  const totals = readTotals(output)
  // A suite fails without a failing test where it crashes, or leaves something uncovered.
  if (failedSuites.has(name)) totals.fail ||= 1
  for (const key in sum) sum[key] += totals[key] ?? 0
}

for (const step of steps) {
  if (step === 'test' && failedSuites.size > 0) continue
  sum.fail++
  if (step === 'test') print(step, lines.slice(-TAIL_LINES))
}
for (const name of failedSuites) {
  const output = suites.get(name) ?? []
  const culprits = findCulprits(output)
  print(name, culprits.length > 0 ? culprits.slice(0, SUITE_LINES) : output.slice(-TAIL_LINES))
}

console.log(`\n${sum.pass} passed, ${sum.fail} failed${sum.skip > 0 ? `, ${sum.skip} skipped` : ''}`)
process.exitCode = sum.fail > 0 || sum.pass === 0 ? 1 : 0

function print (name, text) {
  console.log(`\n== failed: ${name}\n${text.join('\n')}`)
}

/** The counts of tap's last line, `# { total: 3, pass: 2, fail: 1 }`. */
function readTotals (output) {
  const [, totals = ''] = /^# \{ (.*) \}$/.exec(output.findLast(line => line.startsWith('# { total: '))) ?? []
  return Object.fromEntries(Array.from(totals.matchAll(/(\w+): (\d+)/g), ([, name, count]) => [name, Number(count)]))
}

/** Every test that failed, with what tap says of it, and the table of what is not covered. */
function findCulprits (output) {
  return output.flatMap((line, start) => {
    if (/^[^|]+(\| +[\d.]+ ){4}\|/.test(line)) return [line]
    if (!/^ *not ok (?!.*# (TODO|SKIP))/.test(line)) return []
    // Of a test that has tests itself, theirs are enough.
    if (/ # time=/.test(line) || output[start + 1]?.trim() !== '---') return [line]
    const length = output.slice(start, start + BLOCK_LINES).findIndex(line => line.trim() === '...')
    return output.slice(start, start + (length === -1 ? BLOCK_LINES : length))
  })
}
