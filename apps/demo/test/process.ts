import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { variables } from '../src/environment.js'

/** Removes what the environment of this machine sets. */
const UNSET = Object.fromEntries(Object.keys(variables).map(name => [name, undefined]))
const SERVER = fileURLToPath(new URL('../src/server.ts', import.meta.url))

/** What `npm run start:two` runs. */
export const TWO = fileURLToPath(new URL('../two/start.ts', import.meta.url))

/** Starts the real process, in an empty directory by default. */
export function start (t: Test, environment: NodeJS.ProcessEnv, { cwd = t.testdir({}), args = [] as string[], script = SERVER } = {}) {
  const server = spawn(process.execPath, [...process.execArgv, ...args, script], {
    cwd, env: { ...process.env, ...UNSET, PORT: '0', ...environment }, stdio: ['ignore', 'pipe', 'pipe', 'ipc']
  })
  t.teardown(() => server.kill('SIGKILL'))
  const output = { text: '' }
  server.stdout?.on('data', data => { output.text += data })
  server.stderr?.on('data', data => { output.text += data })
  const ended = once(server, 'close').then(([code]) => code as number | null)
  return { server, output, ended }
}

/** Waits until the log matches a pattern; returns its first group. */
export async function untilLogged (server: ChildProcess, output: { text: string }, pattern: RegExp): Promise<string> {
  for (;;) {
    const match = pattern.exec(output.text)
    if (match !== null) return match[1] as string
    if (server.exitCode !== null) throw new Error(`ended: ${output.text}`)
    await Promise.race([once(server.stdout as NodeJS.EventEmitter, 'data'), once(server, 'close')])
  }
}

/** Starts the real process and waits until it listens. */
export async function listening (t: Test, environment: NodeJS.ProcessEnv = {}, options = {}) {
  const process = start(t, environment, options)
  const origin = await untilLogged(process.server, process.output, /Server listening at (http:\/\/[\d.:]+)/)
  return { ...process, origin }
}
