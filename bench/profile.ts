/**
 * Where the CPU of a server's handshakes, or of the upgrades it refuses, goes: self time by package and by function.
 *
 *     node --import tsx bench/profile.ts [variant] [handshake | refusal] [count] [file.cpuprofile]
 */
import { writeFile } from 'node:fs/promises'
import type { Profiler } from 'node:inspector'
import { all, type Credential, handshake, refused, startServer } from './lib/flow.js'

const [name = 'airlock', operation = 'handshake', count = '10000', file] = process.argv.slice(2)
const server = await startServer(name)

async function run (times: number): Promise<void> {
  if (operation === 'refusal') return all(Array.from({ length: times }), () => refused(server))
  const credentials = await server.child.call<Credential[]>('mint', times)
  await server.child.call('startProfile')
  await all(credentials, credential => handshake(server, credential))
}

await run(5_000)
if (operation === 'handshake') await server.child.call('stopProfile')
else await server.child.call('startProfile')
await run(Number(count))
const profile = await server.child.call<Profiler.Profile>('stopProfile')
await server.child.stop()
if (file !== undefined) await writeFile(file, JSON.stringify(profile))

const packages = new Map<string, number>()
const functions = new Map<string, number>()
const nodes = new Map(profile.nodes.map(node => [node.id, node.callFrame]))
for (const [index, id] of (profile.samples ?? []).entries()) {
  const { functionName, url, lineNumber } = nodes.get(id) as Profiler.ProfileNode['callFrame']
  const time = (profile.timeDeltas?.[index] ?? 0) / Number(count)
  if (functionName === '(idle)') continue
  const from = packageOf(url, functionName)
  add(packages, from, time)
  add(functions, `${from}: ${functionName || '(anonymous)'} ${url.split('/').slice(-2).join('/')}:${lineNumber + 1}`, time)
}

const total = [...packages.values()].reduce((sum, value) => sum + value, 0)
console.log(`${name}, ${operation}: ${total.toFixed(0)} µs each, of the main thread, as the profiler sees it`)
print(packages, 30)
print(functions, 45)

function add (map: Map<string, number>, key: string, value: number): void {
  map.set(key, (map.get(key) ?? 0) + value)
}

function packageOf (url: string, functionName: string): string {
  if (functionName.startsWith('(')) return functionName
  if (url === '') return 'native'
  if (url.startsWith('node:')) return 'node'
  const own = /\/(?:packages|plugins)\/([^/]+)\/dist\//.exec(url)
  if (own !== null) return `airlock/${own[1]}`
  return /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url)?.[1] ?? url.split('/').slice(-2).join('/')
}

function print (map: Map<string, number>, rows: number): void {
  console.table([...map].sort(([, a], [, b]) => b - a).slice(0, rows).map(([where, time]) => ({
    where, µs: time.toFixed(1), '%': (time / total * 100).toFixed(1)
  })))
}
