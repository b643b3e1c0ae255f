import { Session } from 'node:inspector'
import { writeHeapSnapshot } from 'node:v8'

type Handlers = Record<string, (argument: never) => unknown>

/** What the measuring process asks. */
export interface Call { id: number, name: string, argument?: unknown }

/** What it is answered. */
export interface Reply { id: number, value?: unknown, error?: string }

interface Collectors {
  gc?: (options?: { type: 'minor' }) => void
  Bun?: { gc (synchronous: boolean): void }
}

const { gc, Bun } = globalThis as Collectors
const collect = gc ?? (() => Bun?.gc(true))
const pause = async (ms: number): Promise<void> => { await new Promise(resolve => setTimeout(resolve, ms)) }

let timer: NodeJS.Timeout | undefined
let longest = 0
let inspector: Session | undefined

const post = async <T = unknown>(method: string, parameters: object = {}): Promise<T> =>
  await new Promise((resolve, reject) => {
    inspector?.post(method, parameters, (error, value) => { error === null ? resolve(value as T) : reject(error) })
  })

const common: Handlers = {
  /** Microseconds of CPU, user and system, that this process has used. */
  cpu () {
    const { user, system } = process.cpuUsage()
    return user + system
  },
  /** Collects what is short-lived, so that a measurement does not pay for what was before it. */
  settle: () => { collect({ type: 'minor' }) },
  /** Memory in bytes, after full collections. */
  async memory () {
    for (let pass = 0; pass < 6; pass++) {
      collect()
      await pause(100)
    }
    return process.memoryUsage()
  },
  /** Starts to watch for how long the event loop stands still. */
  startLag () {
    let last = performance.now()
    longest = 0
    timer = setInterval(() => {
      const now = performance.now()
      longest = Math.max(longest, now - last)
      last = now
    }, 1)
  },
  /** The longest time between two ticks of a timer of 1 ms, in milliseconds. */
  stopLag () {
    clearInterval(timer)
    return longest
  },
  startProfile: async () => {
    inspector = new Session()
    inspector.connect()
    await post('Profiler.enable')
    await post('Profiler.setSamplingInterval', { interval: 100 })
    await post('Profiler.start')
  },
  /** The CPU profile since then, as DevTools reads it. */
  stopProfile: async () => {
    const { profile } = await post<{ profile: object }>('Profiler.stop')
    inspector?.disconnect()
    return profile
  },
  /** Writes a heap snapshot to that file. */
  snapshot: (file: string) => writeHeapSnapshot(file),
  /** Ends it in good order, so that what it logs is written. */
  exit: () => { setTimeout(() => process.exit(), 50) },
  /** Microseconds since this process started. */
  clock: () => performance.now() * 1000
}

/** Answers calls of the measuring process by name. */
export function serve (handlers: Handlers): void {
  const all = { ...common, ...handlers }
  process.on('message', async ({ id, name, argument }: Call) => {
    let reply: Reply
    try {
      reply = { id, value: await all[name]?.(argument as never) }
    } catch (error) {
      reply = { id, error: error instanceof Error ? error.message : String(error) }
    }
    process.send?.(reply)
  })
  // Without the measuring process there is nothing to do here.
  process.on('disconnect', () => process.exit())
  process.send?.({ id: -1, value: 'ready' } satisfies Reply)
}

/** Tells the measuring process that this server cannot be had here, and why. */
export function refuse (reason: string): void {
  process.send?.({ id: -1, error: reason } satisfies Reply, () => process.exit())
}
