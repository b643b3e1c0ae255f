/**
 * Runs a command with the servers that the suites need: `node --import tsx cli.ts <command> [arguments]`. The command
 * finds them in its environment (`MONGODB_URL`, `REDIS_URL`); they end with it, and its exit code is passed on.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { constants } from 'node:os'
import { findChromium, findMongo, findRedis, isSkip } from './index.js'

const [command, ...args] = process.argv.slice(2)
if (command === undefined) throw new Error('usage: cli.ts <command> [arguments]')

const [mongo, redis] = await Promise.all([findMongo(), findRedis()])
const chromium = findChromium()
report('mongodb', isSkip(mongo) ? mongo.skip : mongo.kind)
report('redis', isSkip(redis) ? redis.skip : redis.kind)
report('chromium', isSkip(chromium) ? chromium.skip : chromium.path)

const child = spawn(command, args, {
  stdio: 'inherit',
  env: {
    ...process.env,
    ...isSkip(mongo) ? {} : { MONGODB_URL: mongo.url },
    ...isSkip(redis) ? {} : { REDIS_URL: redis.url }
  }
})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal))

const [code, signal] = await once(child, 'exit') as [number | null, NodeJS.Signals | null]
for (const server of [mongo, redis]) if (!isSkip(server)) await server.stop()
process.exitCode = signal === null ? Number(code) : 128 + constants.signals[signal]

function report (name: string, what: string): void {
  process.stdout.write(`${name}: ${what}\n`)
}
