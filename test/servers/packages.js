/**
 * Prints the Debian packages that the tests need, one a line; with `--checks`, each followed by a shell command that fails
 * without it. Plain JavaScript: `.ci/run` asks before `npm ci`.
 */
import { readFileSync } from 'node:fs'

const withChecks = process.argv.includes('--checks')
const servers = JSON.parse(readFileSync(new URL('servers.json', import.meta.url), 'utf8'))
for (const { program, package: name, check = `command -v ${program}` } of servers) {
  process.stdout.write(withChecks ? `${name} ${check}\n` : `${name}\n`)
}
