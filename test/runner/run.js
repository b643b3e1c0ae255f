/**
 * Runs the tests of the package in the current folder: `node run.js [options] [folder ...] [file ...]`, by
 * default all of `test`; where files are named, these alone. The package's `src` has to be covered to 100 %. Of what fails all output is printed, as TAP.
 *
 * Files that only compute and talk to themselves share processes, one for each core. A file has a process of its own
 * where it starts servers or other processes, or where a line of it begins with `// Runs alone: ` and says why.
 *
 * `--without`       a folder that is left out
 * `--no-coverage`   does not look at the coverage
 * `--incomplete`    prints what is not covered, and passes
 * `--env`           sets a variable, `NAME=value`, which no shell but POSIX's does in front of a command
 * `--quick`         without coverage and without the files that start servers or other processes, or in which a line
 *                   begins with `// Takes long: ` and says why
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { collect, isCovered } from './coverage.js'
import { runFiles } from './files.js'
import { bundleTap } from './tap.js'

/** What a file imports, or does, that starts servers, a browser or other processes. */
const STARTS_OTHERS = /test-servers|child_process|t\.spawn|\/(process|demo|chromium|suite)\.js'/

/** Files that one process runs sooner than two could start. */
const LEAST_SHARED = 4

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    without: { type: 'string', multiple: true, default: [] },
    'no-coverage': { type: 'boolean', default: false },
    incomplete: { type: 'boolean', default: false },
    env: { type: 'string', multiple: true, default: [] },
    quick: { type: 'boolean', default: false }
  }
})

for (const variable of options.env) {
  const [name, value] = variable.split('=')
  process.env[name] = value
}

const cores = availableParallelism()
// `npm test -- test/x.test.ts` comes after the folders of the script in package.json.
const named = positionals.filter(name => !statSync(name).isDirectory())
const folders = positionals.length > 0 ? positionals : ['test']
// A folder is named before the one that it is in to be the first.
const jobs = plan(named.length > 0 ? named : [...new Set(folders.flatMap(testsIn))])
// A part of the tests need not cover everything.
const coverage = !options['no-coverage'] && !options.quick && named.length === 0

if (coverage) process.env.AIRLOCK_COVERAGE = collect()
await bundleTap()
const counts = { total: 0, pass: 0, fail: 0, skip: 0, todo: 0 }
const queue = jobs.values()
await Promise.all(Array.from({ length: cores }, async () => {
  for (const files of queue) print(files, await runFiles(files))
}))
if (coverage && !await isCovered() && !options.incomplete) process.exitCode = 1
// The counts of everything, as tap itself prints them.
console.log(`# { ${Object.entries(counts).map(([name, count]) => `${name}: ${count}`).join(', ')} }`)

/** All files of tests in a folder and those below, other packages left out. */
function testsIn (folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap(entry => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return isLeftOut(path, entry.name) ? [] : testsIn(path)
    return path.endsWith('.test.ts') ? [path] : []
  })
}

function isLeftOut (path, name) {
  return /^\.|^node_modules$/.test(name) || options.without.includes(path) || existsSync(join(path, 'package.json'))
}

/** The files of each process: first those with one of their own, which mostly wait for others. */
function plan (files) {
  const alone = []
  const shared = []
  for (const file of files) {
    const text = readFileSync(file, 'utf8')
    const startsOthers = STARTS_OTHERS.test(text)
    if (options.quick && (startsOthers || /^\/\/ Takes long: /m.test(text))) continue
    if (startsOthers || /^\/\/ Runs alone: /m.test(text)) alone.push([file])
    else shared.push(file)
  }
  // A quick run has the other cores busy with other packages: each process more only has to start.
  const count = options.quick ? Math.min(1, shared.length) : Math.min(cores, Math.ceil(shared.length / LEAST_SHARED))
  return [...alone, ...Array.from({ length: count }, (_, first) => shared.filter((_, index) => index % count === first))]
}

function print (files, { ok, counts: counted, skipped, output, errors, time }) {
  for (const name in counts) counts[name] += counted[name]
  console.log(`${ok ? 'ok' : 'not ok'} - ${files.join(' ')} # ${counted.total} in ${(time / 1000).toFixed(1)} s`)
  for (const { name, skip } of skipped) console.log(`    # skip: ${name}: ${skip}`)
  if (errors !== '') console.error(errors)
  if (ok) return
  console.log(output.replace(/^(?=.)/gm, '    '))
  process.exitCode = 1
}
