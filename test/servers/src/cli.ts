/**
 * Runs a command with the servers that the suites need: `node --import tsx cli.ts <command> [arguments]`. The command
 * finds them in its environment, by the variables of `servers.json`; they end with it, and its exit code is passed on.
 * `AIRLOCK_SERVERS` names those that were found: what has passed without one says nothing about a run with it.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { constants } from 'node:os'
import { findChromium, findServer, isSkip, rowOf, SERVER_NAMES } from './index.js'

const [command, ...args] = process.argv.slice(2)
if (command === undefined) throw new Error('usage: cli.ts <command> [arguments]')

const servers = await Promise.all(SERVER_NAMES.map(async name => ({ name, server: await findServer(name) })))
const env = { ...process.env }
for (const { name, server } of servers) {
  report(name, isSkip(server) ? server.skip : server.kind)
  if (!isSkip(server)) env[rowOf(name).variable] = server.url
}
const chromium = findChromium()
report('chromium', isSkip(chromium) ? chromium.skip : chromium.path)
env.AIRLOCK_SERVERS = [...servers, { name: 'chromium', server: chromium }].filter(({ server }) => !isSkip(server)).map(({ name }) => name).join()

// Listened to before the command runs: it may cause a signal at once.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal))
const child = spawn(command, args, { stdio: 'inherit', env })

const [code, signal] = await once(child, 'exit') as [number | null, NodeJS.Signals | null]
for (const { server } of servers) if (!isSkip(server)) await server.stop()
process.exitCode = signal === null ? Number(code) : 128 + constants.signals[signal]

function report (name: string, what: string): void {
  process.stdout.write(`${name}: ${what}\n`)
}
