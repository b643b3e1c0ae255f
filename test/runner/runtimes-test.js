/** Installs Bun and Deno from the npm registry and runs what has to work there: `npm run test:runtimes`. */
import { spawnSync } from 'node:child_process'
import { join, resolve } from 'node:path'
import { installRuntime } from './runtimes.js'

const cwd = resolve(import.meta.dirname, '../..')
const shell = process.platform === 'win32'
const env = {
  ...process.env,
  BUN_PATH: join(installRuntime('bun@1'), 'bun'),
  DENO_PATH: join(installRuntime('deno@2'), 'deno')
}
// These run what is published, not the sources.
const { status } = spawnSync('npm', ['run', '--silent', 'build', '--', '--output-logs=errors-only'], { cwd, stdio: 'inherit', shell })
process.exitCode = status !== 0
  ? 1
  : spawnSync(process.execPath, ['runner/run.js', '--no-coverage', 'runtimes.test.ts'], { cwd: join(cwd, 'test'), env, stdio: 'inherit' }).status ?? 1
