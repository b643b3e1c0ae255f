import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Parser } from 'tap-parser'

/** All cores have tests to run: V8's collector uses no more of them, and starts with the room that it would take in the end. */
const COLLECTOR = ['--single-threaded-gc', '--min-semi-space-size=16', '--max-semi-space-size=32']
const ARGS = [...COLLECTOR, '--conditions=@fastify-airlock/source', '--import', new URL('register.js', import.meta.url).href]
const TOGETHER = fileURLToPath(new URL('together.js', import.meta.url))

/**
 * Time that a process has, in seconds, unless a file says otherwise with `t.setTimeout`. It is for tests that hang: on
 * a busy machine everything takes several times as long as on a quiet one.
 */
const TIMEOUT = 600

/** Time after which a process is killed that does not even come to say that its time is over, in milliseconds. */
const LAST_RESORT = 1_200_000

/**
 * Runs files of tests in one process.
 *
 * @returns what it said: `ok`, the `counts` of its assertions, those that it `skipped`, all of its `output` as TAP,
 * what it wrote to stderr (`errors`) and its `time` in milliseconds
 */
export async function runFiles (files) {
  const begin = performance.now()
  const child = spawn(process.execPath, [...ARGS, ...(files.length > 1 ? [TOGETHER, basename(files[0])] : files)], {
    // With a parent tap leaves the totals to it; what it would count of the coverage by itself is counted here.
    env: {
      ...process.env,
      AIRLOCK_TESTS: JSON.stringify(files),
      TAP: '1',
      TAP_CHILD_ID: '1',
      TAP_TIMEOUT: String(TIMEOUT),
      _TAPJS_PROCESSINFO_COVERAGE_: '0'
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: LAST_RESORT,
    killSignal: 'SIGKILL'
  })
  const counts = { total: 0, pass: 0, fail: 0, skip: 0, todo: 0 }
  const skipped = []
  const parser = new Parser()
  // Of assertions, not of the tests that they are in.
  parser.on('result', result => {
    counts.total++
    counts[kindOf(result)]++
    if (result.skip) skipped.push(result)
  })
  const complete = once(parser, 'complete')
  let output = ''
  child.stdout.setEncoding('utf8').on('data', text => {
    output += text
    parser.write(text)
  })
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', text => { errors += text })
  const [code, signal] = await once(child, 'close')
  parser.end()
  const [results] = await complete
  const ok = results.ok && code === 0
  // Without a failing assertion it was the process that failed.
  if (!ok && counts.fail === 0) counts.fail++
  if (code !== 0) output += `\nnot ok - ended with ${signal ?? code}\n`
  return { ok, counts, skipped, output, errors, time: performance.now() - begin }
}

function kindOf ({ todo, skip, ok }) {
  if (todo) return 'todo'
  if (skip) return 'skip'
  return ok ? 'pass' : 'fail'
}
