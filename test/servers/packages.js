/**
 * Prints a line for each Debian package that the tests need, with a shell command that fails without it. Plain
 * JavaScript: `.ci/run` asks before `npm ci`.
 */
import { readFileSync } from 'node:fs'

const servers = JSON.parse(readFileSync(new URL('servers.json', import.meta.url), 'utf8'))
for (const { program, package: name, check = `command -v ${program}` } of servers) process.stdout.write(`${name} ${check}\n`)
