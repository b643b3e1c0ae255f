/**
 * Runs a command with the servers that the suites need: `node --import tsx cli.ts <command> [arguments]`. The command
 * finds them in its environment (`MONGODB_URL`); they end with it, and its exit code is passed on.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { constants } from 'node:os'
import { findChromium, findMongo, isSkip } from './index.js'

const [command, ...args] = process.argv.slice(2)
if (command === undefined) throw new Error('usage: cli.ts <command> [arguments]')

const mongo = await findMongo()
const chromium = findChromium()
report('mongodb', isSkip(mongo) ? mongo.skip : mongo.kind)
report('chromium', isSkip(chromium) ? chromium.skip : chromium.path)

const child = spawn(command, args, {
  stdio: 'inherit',
  env: isSkip(mongo) ? process.env : { ...process.env, MONGODB_URL: mongo.url }
})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal))

const [code, signal] = await once(child, 'exit') as [number | null, NodeJS.Signals | null]
if (!isSkip(mongo)) await mongo.stop()
process.exitCode = signal === null ? Number(code) : 128 + constants.signals[signal]

function report (name: string, what: string): void {
  process.stdout.write(`${name}: ${what}\n`)
}
