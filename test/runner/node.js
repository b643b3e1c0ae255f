/**
 * Runs everything but browser, nodes and the long runs on other versions of Node, which come from the npm registry:
 * `npm run test:node -- [--quick] 22 24 …`.
 *
 * `--quick`   without the files that start servers or other processes, as `npm run test:quick` does
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { installRuntime, withRuntime } from './runtimes.js'

const { values: { quick }, positionals: versions } = parseArgs({
  allowPositionals: true,
  options: { quick: { type: 'boolean', default: false } }
})
if (versions.length === 0) {
  console.error('Which version of Node? npm run test:node -- 24')
  process.exit(1)
}

const root = resolve(import.meta.dirname, '../..')
const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const shell = process.platform === 'win32'

const results = versions.map(version => {
  const folder = installRuntime(`node@${version}`)
  const name = execFileSync(join(folder, 'node'), ['--version'], { encoding: 'utf8', shell }).trim()
  console.log(`\n== Node ${name}`)
  // What passed on one version says nothing about another: the name is part of turbo's hashes.
  const env = { ...withRuntime(folder), AIRLOCK_NODE: name }
  // The types are the same on all.
  const script = quick
    ? scripts['test:quick'].replace(' typecheck ', ' ')
    : scripts.test.replace(' typecheck test ', ' test test:attacks ').replace(/ --filter=\S+/g, '')
  const { status } = spawnSync('npm', ['exec', '--silent', '-c', script], { cwd: root, env, stdio: 'inherit', shell })
  if (status !== 0) process.exitCode = 1
  return `Node ${name}: ${status === 0 ? 'passed' : 'failed'}`
})
console.log(`\n== ${results.join('\n== ')}`)
