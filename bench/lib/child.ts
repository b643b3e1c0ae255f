import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Call, Reply } from './serve.js'

/** How to run a script: another version of Node, Bun, flags. */
export interface Runtime {
  /** For a person to read, as `Node 20.20.2`. */
  name: string
  /** The program. */
  path: string
  kind: 'node' | 'bun'
}

/** A process of its own, and what the measuring process asks of it. */
export interface Child {
  readonly pid: number
  call<T> (name: string, argument?: unknown): Promise<T>
  stop (): Promise<void>
}

/** What {@link startChild} is told. */
export interface Start {
  /** The root of the repository whose packages it uses. */
  tree: string
  /** The script, below `bench/dist`. */
  script: string
  args?: string[]
  runtime?: Runtime
  flags?: string[]
}

const NODE: Runtime = { name: `Node ${process.versions.node}`, path: process.execPath, kind: 'node' }

/** The version of Node that the measuring process runs on. */
export const thisNode = NODE

/** Starts a script as a child process. It calls `serve`. */
export async function startChild ({ tree, script, args = [], runtime = NODE, flags = [] }: Start): Promise<Child> {
  const child: ChildProcess = fork(join(tree, 'bench/dist', script), args, {
    cwd: tree,
    execPath: runtime.path,
    execArgv: runtime.kind === 'node' ? ['--expose-gc', ...flags] : [],
    // What the packages are like in service; and no flags of the measuring process.
    env: { ...process.env, NODE_ENV: 'production', NODE_OPTIONS: '' },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    serialization: 'json'
  })
  let complaint = ''
  child.stderr?.on('data', chunk => { complaint = (complaint + String(chunk)).slice(-4_000) })
  const waiting = new Map<number, (reply: Reply) => void>()
  const exited = once(child, 'exit')
  child.on('message', reply => {
    waiting.get((reply as Reply).id)?.(reply as Reply)
    waiting.delete((reply as Reply).id)
  })
  child.on('exit', () => {
    for (const [id, answer] of waiting) answer({ id, error: `${script} has died: ${firstError(complaint)}` })
  })
  let calls = 0
  const answerTo = async (id: number): Promise<unknown> => {
    const { value, error } = await new Promise<Reply>(resolve => { waiting.set(id, resolve) })
    if (error !== undefined) throw new Error(error)
    return value
  }
  try {
    await answerTo(-1)
  } catch (error) {
    child.kill('SIGKILL')
    throw error
  }
  return {
    pid: child.pid as number,
    async call<T> (name: string, argument?: unknown): Promise<T> {
      if (child.exitCode !== null || child.signalCode !== null) throw new Error(`${script} has died: ${firstError(complaint)}`)
      const id = calls++
      const answer = answerTo(id)
      child.send({ id, name, argument } satisfies Call)
      return await answer as T
    },
    async stop () {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
      await exited
    }
  }
}

/** The line of a stack that says what went wrong. */
function firstError (text: string): string {
  const lines = text.split('\n').map(line => line.trim())
  return lines.find(line => /error/i.test(line)) ?? lines.find(line => line !== '') ?? 'no message'
}
