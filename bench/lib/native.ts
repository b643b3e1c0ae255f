import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import type { Child } from './child.js'
import type { Keys } from './tokens.js'

/** What runs at the moment. Unlike a script, a program does not notice that the measuring process has gone. */
const running = new Set<ChildProcess>()
process.once('exit', () => { for (const child of running) child.kill('SIGKILL') })

/**
 * A server that is not Node's. It prints its port, and tells at `/bench/cpu` how many microseconds of CPU it has used.
 * Of its memory only the RSS is known, from `/proc`.
 */
export async function startNative (command: string, keys: Keys): Promise<Child> {
  const [program = '', ...args] = command.split(' ')
  const child = spawn(program, args, {
    env: { ...process.env, JWT_SECRET: keys.public, ALLOWED_ORIGIN: 'https://app.example.com' },
    stdio: ['ignore', 'pipe', 'ignore']
  })
  running.add(child)
  const exited = once(child, 'exit')
  const failed = new Promise<never>((_resolve, reject) => { child.once('error', reject) })
  const [line] = await Promise.race([once(child.stdout, 'data'), failed, exited.then(() => ['it ends at once'])]) as [Buffer | string]
  const port = Number(String(line))
  if (!Number.isInteger(port)) throw new Error(`it does not start: ${String(line)}`)
  const answers: Record<string, () => unknown> = {
    port: () => port,
    cpu: async () => Number(await (await fetch(`http://127.0.0.1:${port}/bench/cpu`)).text()),
    settle: () => {},
    memory: async () => ({ heapUsed: Number.NaN, external: Number.NaN, rss: await rss(child.pid as number) })
  }
  return {
    pid: child.pid as number,
    async call<T> (name: string): Promise<T> {
      const answer = answers[name]
      if (answer === undefined) throw new Error(`it has no ${name}`)
      return await answer() as T
    },
    async stop () {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
      await exited
      running.delete(child)
    }
  }
}

async function rss (pid: number): Promise<number> {
  return 1024 * Number(/VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1])
}
