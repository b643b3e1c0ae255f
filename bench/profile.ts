/**
 * Where the CPU of a server goes: self time by package and by function.
 *
 *     node --import tsx bench/profile.ts [peer] [operation] [count] [file.cpuprofile]
 *
 * The peer is a name of `lib/peers.ts`; the operation `handshake` (ticket at hand), `ticket` (the request alone),
 * `visit` (both), `refusal` (of all four kinds), `unknown` (refusals of an unknown ticket), `echo`, or `first` (handshakes of a new process, without a warm-up; 1000 of them). With a file name, the profile is also written there, for DevTools.
 */
import { writeFile } from 'node:fs/promises'
import type { Profiler } from 'node:inspector'
import { buildPackages, buildScripts, ROOT } from './lib/build.js'
import { thisNode } from './lib/child.js'
import { startGenerators } from './lib/generator.js'
import { peer } from './lib/peers.js'
import { selfTime } from './lib/profile.js'
import { startServer, stopAll } from './lib/server.js'
import { makeKeys } from './lib/tokens.js'
import type { Kind } from './load/refusals.js'
import { terminalTable } from './report/text.js'

const [name = 'airlock', operation = 'handshake', count = '10000', file] = process.argv.slice(2)
/** So many at a time, as tickets live for 30 seconds only. */
const PORTION = 1_000
const WARM_UP = 5_000
/** Connections of an echo. */
const CONNECTIONS = 128

await buildPackages()
await buildScripts()
const place = { tree: ROOT, keys: makeKeys('HS256'), runtime: thisNode }
const server = await startServer(peer(name), place)
const [child] = await startGenerators(place, 1)
if (child === undefined) throw new Error('no generator')
const generator = child
const target = server.target()

/** What is done before, which is not profiled, and what is. */
const operations: Record<string, { prepare?: () => Promise<unknown>, run: () => Promise<unknown> }> = {
  handshake: { prepare: async () => await generator.call('prepareTickets', target), run: async () => await generator.call('handshakes', target) },
  first: {
    async prepare () {
      // Not over HTTP, which would warm up half of it.
      await generator.call('useTickets', await server.child.call('issue', await generator.call<string[]>('subjects')))
    },
    run: async () => await generator.call('handshakes', target)
  },
  ticket: { run: async () => await generator.call('prepareTickets', target) },
  visit: { run: async () => await generator.call('visits', target) },
  refusal: refusals('mixed'),
  unknown: refusals('unknown ticket'),
  echo: { run: async () => await generator.call('echo', { port: target.port, payload: 128, messages: PORTION }) }
}
const chosen = operations[operation]
if (chosen === undefined) throw new Error(`no operation is called ${operation}: ${Object.keys(operations).join(', ')}`)
const { prepare, run } = chosen

function refusals (kind: Kind) {
  return {
    prepare: async () => await generator.call('prepareRefusals', target),
    run: async () => await generator.call('refusals', { target, kind, count: PORTION })
  }
}

if (operation === 'echo') {
  await generator.call('mint', { count: CONNECTIONS, keys: place.keys })
  await generator.call('enter', { target: server.target('/echo') })
}

/** Each portion has a profile of its own, without what prepares the next one. */
async function portions (times: number): Promise<Profiler.Profile[]> {
  const profiles: Profiler.Profile[] = []
  for (let done = 0; done < times; done += PORTION) {
    await generator.call('mint', { count: PORTION, keys: place.keys })
    await prepare?.()
    await server.child.call('startProfile')
    await run()
    profiles.push(await server.child.call<Profiler.Profile>('stopProfile'))
  }
  return profiles
}

const isCold = operation === 'first'
if (!isCold) await portions(WARM_UP)
const profiles = await portions(isCold ? PORTION : Number(count))
await stopAll([server, { child: generator }])
// DevTools reads one profile: the last one is as good as any.
if (file !== undefined) await writeFile(file, JSON.stringify(profiles.at(-1)))

const { packages, functions, total } = selfTime(...profiles)
const operationsDone = profiles.length * PORTION
console.log(`${name}, ${operation}: ${(total / operationsDone).toFixed(1)} µs each, of the main thread, as the profiler sees it`)
print(packages, 30)
print(functions, 45)

function print (map: Map<string, number>, rows: number): void {
  const lines = [...map].sort(([, a], [, b]) => b - a).slice(0, rows)
    .map(([where, time]) => [(time / operationsDone).toFixed(1), (time / total * 100).toFixed(1), where])
  console.log(terminalTable([['µs', '%', 'where'], ...lines]))
}
