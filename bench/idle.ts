/**
 * What an idle connection costs its node: CPU to let it in, memory, and CPU for the heartbeat.
 *
 *     node --import tsx bench/idle.ts [connections] [seconds]
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Child, start } from './lib/child.js'
import type { Credential } from './lib/flow.js'

const [connections = 10_000, seconds = 100] = process.argv.slice(2).map(Number)
/** Connections of one client process, and how many are opened in one go. */
const SHARE = 5_000
const PORTION = 500

const server = await start(new URL('servers/idle.ts', import.meta.url))
const port = await server.call<number>('port')
const clients = await Promise.all(Array.from({ length: Math.ceil(connections / SHARE) }, async () =>
  await start(new URL('servers/idlers.ts', import.meta.url))))

/** Microseconds of CPU that the server has used. */
async function cpu (): Promise<number> {
  const { user, system } = await server.call<NodeJS.CpuUsage>('cpu')
  return user + system
}

/** @returns microseconds of CPU that upgrades, first frames and joins took, all together */
async function enter (count: number): Promise<number> {
  let used = 0
  // In portions, so that no ticket waits for long.
  for (let entered = 0; entered < count; entered += PORTION) {
    const credentials = await server.call<Credential[]>('mint', Math.min(PORTION, count - entered))
    const client = clients[entered / PORTION % clients.length] as Child
    const before = await cpu()
    await client.call('enter', { port, credentials })
    used += await cpu() - before
  }
  return used
}

// What the first connections load and compile is no cost of a connection.
await enter(200)
const before = await server.call<NodeJS.MemoryUsage>('memory')
const entrance = await enter(connections)
const after = await server.call<NodeJS.MemoryUsage>('memory')
const kibibytes = (name: keyof NodeJS.MemoryUsage): string => ((after[name] - before[name]) / connections / 1024).toFixed(1)
console.table({
  'connections in the hub': await server.call<number>('connections'),
  'CPU of letting one in, µs': (entrance / connections).toFixed(0),
  'heap of one, KiB': kibibytes('heapUsed'),
  'outside of the heap (external), KiB': kibibytes('external'),
  'RSS of one, KiB': kibibytes('rss'),
  'RSS without them, MiB': (before.rss / 1024 ** 2).toFixed(0)
})

const pings = async (): Promise<number> => (await Promise.all(clients.map(async client => await client.call<number>('pings')))).reduce((a, b) => a + b)
// Until the last of them has been silent for long enough to be pinged.
await sleep(50_000)
const [cpuBefore, pingsBefore] = [await cpu(), await pings()]
await sleep(seconds * 1000)
const [used, answered] = [await cpu() - cpuBefore, await pings() - pingsBefore]
console.table({
  'pings a second': (answered / seconds).toFixed(0),
  'CPU of one core, %': (used / seconds / 1e4).toFixed(2),
  'CPU of a ping and its answer, µs': (used / answered).toFixed(0)
})

for (const child of [server, ...clients]) await child.stop()
