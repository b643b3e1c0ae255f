/**
 * Measures the rows that were asked for, and keeps their results.
 */
import { execFileSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { buildScripts, ROOT } from './lib/build.js'
import { thisNode } from './lib/child.js'
import type { Context } from './lib/context.js'
import { startGenerators } from './lib/generator.js'
import { load, machine, versions } from './lib/machine.js'
import { buildNatives } from './lib/natives.js'
import { readOptions } from './lib/options.js'
import type { Row } from './lib/outcome.js'
import { OTHERS, peer } from './lib/peers.js'
import { lazyRedis } from './lib/redis.js'
import { checkOut } from './lib/revision.js'
import { otherRuntimes } from './lib/runtimes.js'
import { stopAll } from './lib/server.js'
import { makeKeys } from './lib/tokens.js'
import { chart } from './report/chart.js'
import { CONDITIONS, markdown } from './report/markdown.js'
import { keyOf, readResults, type Result, type Results, writeResults } from './report/results.js'
import { terminalRow } from './report/text.js'

const options = readOptions(process.argv.slice(2))
if (options === null) process.exit()

await buildScripts()
const against = options.against === undefined ? undefined : await checkOut(options.against)
const full = options.full && against === undefined
const runtimes = full ? await otherRuntimes() : { runtimes: [], notes: [] }
const natives = full ? await buildNatives(runtimes.runtimes) : { specs: [], notes: [], versions: {} }
const redis = lazyRedis()
const generators = await startGenerators({ tree: ROOT }, 1)
const context: Context = {
  tree: ROOT,
  keys: makeKeys('HS256'),
  runtime: thisNode,
  sizes: options.sizes,
  generator: generators[0] as Context['generator'],
  against,
  others: full ? [...OTHERS.map(peer), ...natives.specs] : [],
  redis: redis.redis
}
const commit = execFileSync('git', ['describe', '--always', '--dirty'], { cwd: ROOT }).toString().trim()

async function measure (row: Row, runtime: Context['runtime']): Promise<Result> {
  const [date, before, startedAt] = [new Date().toISOString(), load(), performance.now()]
  const outcome = await row.run(runtime === thisNode ? context : { ...context, runtime, others: [], sizes: { ...context.sizes, forget: 0 } })
  const result = {
    id: row.id, title: row.title, runtime: runtime.name, date, machine: machine(), load: `${before}; ${load()}`, commit, versions: { ...versions(), ...natives.versions }, ...outcome
  }
  console.log(terminalRow(`${row.title}, ${runtime.name}, ${((performance.now() - startedAt) / 1000).toFixed(0)} s`, outcome))
  return result
}

/** Keeps a result at once, so that a run that is interrupted is not lost. */
async function keep (results: Results, result: Result): Promise<void> {
  results[keyOf(result)] = result
  await writeResults(results)
  await writeFile(join(ROOT, 'bench/RESULTS.md'), markdown(results, thisNode.name))
  await writeFile(join(ROOT, 'docs/images/bench.svg'), chart(results, thisNode.name))
}

console.log(`${machine()}\n${thisNode.name}, ${commit}; load average ${load()}\n${CONDITIONS.join('\n')}`)
for (const note of [...natives.notes, ...runtimes.notes]) console.log(`left out: ${note}`)
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  // Child processes end with this one; a worktree would stay.
  process.once(signal, async () => {
    await against?.remove()
    process.exit(1)
  })
}
try {
  const results = await readResults()
  for (const row of options.rows) {
    for (const runtime of [thisNode, ...row.column === true ? runtimes.runtimes : []]) {
      if (!runtime.name.startsWith(options.on)) continue
      try {
        const result = await measure(row, runtime)
        if (options.write) await keep(results, result)
      } catch (error) {
        console.error(`${row.title}, ${runtime.name}: ${(error as Error).message}`)
        process.exitCode = 1
      }
    }
  }
} finally {
  await stopAll(generators.map(child => ({ child })))
  await redis.stop()
  await against?.remove()
}
