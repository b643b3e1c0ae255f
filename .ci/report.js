/**
 * The end of a run, of which a reader may get no more than that: what failed in which step, and the totals of
 * every suite that a step runs by turbo added up.
 *
 * Usage: `node report.js <folder with the log of each step, NAME.log> [name of each failed step]`
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const BLOCK_LINES = 30
const SUITE_LINES = 100
const TAIL_LINES = 40

const [folder, ...failedSteps] = process.argv.slice(2)

const sum = { pass: 0, fail: 0, skip: 0 }
for (const file of readdirSync(folder)) add(sum, readSuites(readLog(file)))

for (const step of failedSteps) {
  const lines = readLog(`${step}.log`)
  const { outputs, failed } = readSuites(lines)
  // A step fails without a failing test where it crashes, or leaves something uncovered.
  if (add({ fail: 0 }, { outputs }).fail === 0) sum.fail++
  if (failed.size === 0) print(step, findCulprits(lines), lines)
  for (const suite of failed) {
    const output = outputs.get(suite) ?? []
    print(`${step}: ${suite}`, findCulprits(output), output)
  }
}

console.log(`\n${sum.pass} passed, ${sum.fail} failed${sum.skip > 0 ? `, ${sum.skip} skipped` : ''}`)
// A test command that runs nothing has not passed.
process.exitCode = sum.fail > 0 || add({ pass: 0 }, readSuites(readLog('test.log'))).pass === 0 ? 1 : 0

function readLog (file) {
  return readFileSync(join(folder, file), 'utf8').split('\n')
}

/** What each suite said, of a step that runs them by turbo, and the names of those that failed. */
function readSuites (lines) {
  const outputs = new Map()
  const failed = new Set()
  for (const line of lines) {
    const [, suite, text, culprit] = /^([^\s:]+):(?:test(?::\w+)?|typecheck): (.*)|^(\S+)#(?:test(?::\w+)?|typecheck): +ERROR/.exec(line) ?? []
    if (culprit !== undefined) failed.add(culprit)
    if (suite === undefined) continue
    if (!outputs.has(suite)) outputs.set(suite, [])
    outputs.get(suite).push(text)
  }
  return { outputs, failed }
}

function print (name, culprits, output) {
  console.log(`\n== failed: ${name}`)
  console.log((culprits.length > 0 ? culprits.slice(0, SUITE_LINES) : output.slice(-TAIL_LINES)).join('\n'))
}

/** Adds the counts of every suite to those of `sum`. */
function add (sum, { outputs }) {
  for (const output of outputs.values()) {
    const totals = readTotals(output)
    for (const key in sum) sum[key] += totals[key] ?? 0
  }
  return sum
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
