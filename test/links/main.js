/**
 * `npm run test:links`: closes, outages and all else of this folder over real slow links, in two minutes. With `-- --short` only
 * the closes, without the one that takes longest, in less than one.
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const { values: { short } } = parseArgs({ options: { short: { type: 'boolean', default: false } } })
const { status } = spawnSync(process.execPath, [
  'runner/run.js', '--no-coverage', '--env', `AIRLOCK_LINKS=${short ? 'short' : 'real'}`, short ? 'links/closing.test.ts' : 'links'
], { cwd: fileURLToPath(new URL('..', import.meta.url)), stdio: 'inherit' })
process.exitCode = status ?? 1
