import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { Parser } from 'tap-parser'

const REGISTER = new URL('register.js', import.meta.url).href
const ARGS = ['--conditions=@fastify-airlock/source', '--import', REGISTER]

/** Time that a file has, in seconds, unless it says otherwise with `t.setTimeout`: against tests that hang, not slow ones. */
const TIMEOUT = 300

/** Time after which a file is ended that does not even come to say that its time is over, in milliseconds. */
const LAST_RESORT = 900_000

/**
 * Runs one file of tests in a process of its own.
 *
 * @returns what it said: `ok`, the `counts` of its assertions, those that it `skipped`, all of its `output` as TAP,
 * what it wrote to stderr (`errors`) and its `time` in milliseconds
 */
export async function runFile (file) {
  const begin = performance.now()
  const child = spawn(process.execPath, [...ARGS, file], {
    // Without a child's id tap adds its own counts.
    env: { ...process.env, TAP: '1', TAP_CHILD_ID: '1', TAP_TIMEOUT: String(TIMEOUT), _TAPJS_PROCESSINFO_COVERAGE_: '0' },
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
  const complete = new Promise(resolve => parser.once('complete', resolve))
  let output = ''
  let errors = ''
  child.stdout.setEncoding('utf8').on('data', text => {
    output += text
    parser.write(text)
  })
  child.stderr.setEncoding('utf8').on('data', text => { errors += text })
  const [code, signal] = await once(child, 'close')
  parser.end()
  const results = await complete
  const ok = results.ok && code === 0
  // A file fails without a failing assertion where its process crashes.
  if (!ok && counts.fail === 0) counts.fail++
  const end = code === 0 ? '' : `\nnot ok - ${file} ended with ${signal ?? code}\n`
  return { ok, counts, skipped, output: output + end, errors, time: performance.now() - begin }
}

function kindOf ({ todo, skip, ok }) {
  if (todo) return 'todo'
  if (skip) return 'skip'
  return ok ? 'pass' : 'fail'
}
