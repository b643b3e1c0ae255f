/**
 * Runs the tests of the package in the current folder: `node run.js [options] [folder or file ...]`, `test` by
 * default. Every file is a process of its own, as many at once as there are cores; what fails is printed as TAP, in
 * full. The package's sources have to be covered to 100 %.
 *
 * `--no-coverage`   does not look at the coverage
 * `--incomplete`    prints what is not covered, and passes
 * `--quick`         without coverage, and without the files that start a server, a browser or another process
 */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'
import { collect, isCovered } from './coverage.js'
import { runFile } from './file.js'

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    'no-coverage': { type: 'boolean', default: false },
    incomplete: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false }
  }
})

const files = (positionals.length > 0 ? positionals : ['test']).flatMap(testsIn).filter(file => !options.quick || isQuick(file))
// Of a part of the tests nobody expects that it covers everything.
const coverage = !options['no-coverage'] && !options.quick && positionals.every(name => statSync(name).isDirectory())

if (coverage) process.env.NODE_V8_COVERAGE = collect()
const counts = { total: 0, pass: 0, fail: 0, skip: 0, todo: 0 }
const queue = files.values()
await Promise.all(Array.from({ length: availableParallelism() }, async () => {
  for (const file of queue) print(file, await runFile(file))
}))
if (coverage && !await isCovered() && !options.incomplete) process.exitCode = 1
// The counts of everything, as tap itself prints them.
console.log(`# { ${Object.entries(counts).filter(([name, count]) => count > 0 || name !== 'todo').map(([name, count]) => `${name}: ${count}`).join(', ')} }`)

function testsIn (name) {
  return statSync(name).isFile() ? [name] : readdirSync(name).filter(file => file.endsWith('.test.ts')).map(file => join(name, file))
}

function isQuick (file) {
  return !/test-servers|child_process/.test(readFileSync(file, 'utf8'))
}

function print (file, result) {
  for (const name in counts) counts[name] += result.counts[name]
  console.log(`${result.ok ? 'ok' : 'not ok'} - ${file} # ${result.counts.total} in ${(result.time / 1000).toFixed(1)} s`)
  for (const { name, skip } of result.skipped) console.log(`    # skip: ${name}${skip === true ? '' : `: ${skip}`}`)
  if (!result.ok) console.log(result.output.replace(/^(?=.)/gm, '    '))
  if (!result.ok) process.exitCode = 1
  if (result.errors !== '') console.error(`${basename(file)}: ${result.errors}`)
}
