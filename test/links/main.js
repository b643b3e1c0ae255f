/**
 * `npm run test:links`: closes, outages and all else of this folder; first scaled down and by a clock that stands still
 * unless bytes pass, then over links that are really slow. Takes three minutes. With `-- --short` the links are really slow
 * for the closes alone, without the one that takes longest: one minute.
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const { values: { short } } = parseArgs({ options: { short: { type: 'boolean', default: false } } })
const cwd = fileURLToPath(new URL('..', import.meta.url))
const real = short ? ['--env', 'AIRLOCK_LINKS=short', 'links/closing.test.ts'] : ['--env', 'AIRLOCK_LINKS=real', 'links']
for (const how of [['links'], real]) {
  const { status } = spawnSync(process.execPath, ['runner/run.js', '--no-coverage', ...how], { cwd, stdio: 'inherit' })
  if (status !== 0) process.exitCode = 1
}
