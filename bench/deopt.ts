/**
 * Which of our functions V8 optimises and then gives up on after the warm-up: `npm run bench:deopt -- [handshakes]`.
 * Fails where there are any.
 *
 * V8's `--log-deopt` logs what `--trace-deopt` prints, and says where in which file besides.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildPackages, buildScripts, ROOT } from './lib/build.js'
import { thisNode } from './lib/child.js'
import { deoptimisations } from './lib/deopt.js'
import { startGenerators } from './lib/generator.js'
import { peer } from './lib/peers.js'
import { startServer, stopAll } from './lib/server.js'
import { makeKeys } from './lib/tokens.js'

/** Before this many visits, changes of mind are what a compiler that guesses is for. */
const WARM_UP = 10_000
const PORTION = 1_000
const [visits = 5_000] = process.argv.slice(2).map(Number)

await buildPackages()
await buildScripts()
const folder = await mkdtemp(join(tmpdir(), 'airlock-deopt-'))
const log = join(folder, 'v8.log')
const place = { tree: ROOT, keys: makeKeys('HS256'), runtime: thisNode }
const server = await startServer(peer('airlock'), place, ['--log-deopt', '--no-logfile-per-isolate', `--logfile=${log}`])
const [generator] = await startGenerators(place, 1)
if (generator === undefined) throw new Error('no generator')

/** Visits with the ticket request, a few messages to everybody, and a refusal of each kind: all that one comes by. */
async function visit (count: number): Promise<void> {
  const target = server.target()
  for (let done = 0; done < count; done += PORTION) {
    await generator?.call('mint', { count: Math.min(PORTION, count - done), keys: place.keys })
    await generator?.call('visits', target)
    await generator?.call('prepareRefusals', target)
    await generator?.call('refusals', { target, kind: 'mixed', count: PORTION / 4 })
  }
}

await visit(WARM_UP)
const mark = await server.child.call<number>('clock')
await visit(visits)
// The log is written through a buffer, which is flushed at the end of the process and not when it is killed.
await server.child.call('exit')
await stopAll([server, { child: generator }])

const found = deoptimisations(await readFile(log, 'utf8'), mark)
await rm(folder, { recursive: true })
const own = found.filter(({ own }) => own)
console.log(`${visits} visits after ${WARM_UP}: ${own.length} deoptimisations in our own code, ${found.length - own.length} in the code of others`)
for (const { where, kind, reason } of own) console.log(`  ${where}\n    ${kind}: ${reason}`)
if (own.length > 0) process.exitCode = 1
