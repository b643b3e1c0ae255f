import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { Session } from 'node:inspector/promises'
import { fileURLToPath } from 'node:url'
import { writeHeapSnapshot } from 'node:v8'

type Handlers = Record<string, (argument: never) => unknown>

interface Call { name: string, argument: unknown }
interface Reply { value?: unknown, error?: string }

/** A server in a process of its own, and what the measuring process asks of it. */
export interface Child {
  call<T> (name: string, argument?: unknown): Promise<T>
  stop (): Promise<void>
}

/** Starts `url` as a child process. It must call {@link serve}. */
export async function start (url: URL, ...args: string[]): Promise<Child> {
  const child: ChildProcess = fork(fileURLToPath(url), args, {
    execArgv: ['--expose-gc', '--import', 'tsx'],
    serialization: 'advanced'
  })
  const exited = once(child, 'exit')
  await Promise.race([once(child, 'message'), exited.then(() => { throw new Error(`${url.pathname} ${args} failed`) })])
  return {
    async call<T> (name: string, argument?: unknown): Promise<T> {
      const replied = once(child, 'message')
      child.send({ name, argument } satisfies Call)
      const [{ value, error }] = await Promise.race([replied, exited.then(() => [{ error: 'the server has died' }])]) as [Reply]
      if (error !== undefined) throw new Error(error)
      return value as T
    },
    async stop () {
      child.kill('SIGKILL')
      await exited
    }
  }
}

/** In the child: answers calls by name, and those for its own CPU time, heap and profile. */
export function serve (handlers: Handlers): void {
  const inspector = new Session()
  const all: Handlers = {
    ...handlers,
    /** Microseconds of CPU that this process has used. */
    cpu: () => process.cpuUsage(),
    /** Bytes on the heap that are in use after a full collection. */
    heap: async () => {
      for (let pass = 0; pass < 4; pass++) {
        globalThis.gc?.()
        await new Promise(resolve => setTimeout(resolve, 50))
      }
      return process.memoryUsage().heapUsed
    },
    /** Writes a heap snapshot to that file. */
    snapshot: (file: string) => writeHeapSnapshot(file),
    startProfile: async () => {
      inspector.connect()
      await inspector.post('Profiler.enable')
      await inspector.post('Profiler.setSamplingInterval', { interval: 100 })
      await inspector.post('Profiler.start')
    },
    /** The CPU profile since then, as DevTools reads it. */
    stopProfile: async () => {
      const { profile } = await inspector.post('Profiler.stop')
      inspector.disconnect()
      return profile
    }
  }
  process.on('message', async ({ name, argument }: Call) => {
    let reply: Reply
    try {
      reply = { value: await all[name]?.(argument as never) }
    } catch (error) {
      reply = { error: String(error) }
    }
    process.send?.(reply)
  })
  process.send?.('ready')
}
