import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { variables } from '../src/environment.js'

/** Whatever this machine's environment says must not decide. */
const UNSET = Object.fromEntries(Object.keys(variables).map(name => [name, undefined]))
const SERVER = fileURLToPath(new URL('../src/server.ts', import.meta.url))

/** The real process, in an empty directory unless told otherwise. */
export function start (t: Test, environment: NodeJS.ProcessEnv, { cwd = t.testdir({}), args = [] as string[] } = {}) {
  const server = spawn(process.execPath, [...process.execArgv, ...args, SERVER], {
    cwd, env: { ...process.env, ...UNSET, PORT: '0', ...environment }, stdio: ['ignore', 'pipe', 'pipe', 'ipc']
  })
  t.teardown(() => server.kill('SIGKILL'))
  const output = { text: '' }
  server.stdout?.on('data', data => { output.text += data })
  server.stderr?.on('data', data => { output.text += data })
  const ended = once(server, 'close').then(([code]) => code as number | null)
  return { server, output, ended }
}

/** The first group of a pattern, once the log has it. */
export async function untilLogged (server: ChildProcess, output: { text: string }, pattern: RegExp): Promise<string> {
  for (;;) {
    const match = pattern.exec(output.text)
    if (match !== null) return match[1] as string
    if (server.exitCode !== null) throw new Error(`ended: ${output.text}`)
    await Promise.race([once(server.stdout as NodeJS.EventEmitter, 'data'), once(server, 'close')])
  }
}

/** The real process, once it listens. */
export async function listening (t: Test, environment: NodeJS.ProcessEnv = {}, options = {}) {
  const process = start(t, environment, options)
  const origin = await untilLogged(process.server, process.output, /Server listening at (http:\/\/[\d.:]+)/)
  return { ...process, origin }
}
