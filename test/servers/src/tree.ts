import { readdir, readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'

// Servers such as PostgreSQL put each of their processes into a session of its own, so that no signal to a group
// reaches them all. Elsewhere than on Linux there is no /proc, and only the first process is reached.

/**
 * Stops a process and all that it started, as SIGSTOP does, and waits until they have. Resolves to their ids, parents
 * first.
 */
export async function stopTree (root: number): Promise<number[]> {
  const stopped: number[] = []
  for (let found = [root]; found.length > 0; found = (await descendants(root)).filter(pid => !stopped.includes(pid))) {
    for (const pid of found) signal(pid, 'SIGSTOP')
    // A thread that is in the kernel for the disk stops only when it comes back, and may answer or fork before.
    for (const pid of found) while (!await isStopped(pid)) await sleep(5)
    stopped.push(...found)
  }
  return stopped
}

/** Waits until none of these runs. */
export async function untilGone (pids: readonly number[]): Promise<void> {
  // One that nobody has waited for yet is gone all the same.
  for (const pid of pids) while (!['', 'Z', 'X'].includes(await stateOf(`/proc/${pid}/stat`))) await sleep(5)
}

/** Sends a signal to a process that may have ended. */
export function signal (pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

async function descendants (root: number): Promise<number[]> {
  const pids = (await readdir('/proc').catch(() => [])).map(Number).filter(Number.isInteger)
  const children = new Map<number, number[]>()
  await Promise.all(pids.map(async pid => {
    const parent = Number((await statOf(`/proc/${pid}/stat`))[1])
    children.set(parent, [...children.get(parent) ?? [], pid])
  }))
  const below = (pid: number): number[] => (children.get(pid) ?? []).flatMap(child => [child, ...below(child)])
  return below(root)
}

async function isStopped (pid: number): Promise<boolean> {
  const threads = await readdir(`/proc/${pid}/task`).catch(() => [])
  const states = await Promise.all(threads.map(thread => stateOf(`/proc/${pid}/task/${thread}/stat`)))
  return states.every(state => ['T', 'Z', 'X', ''].includes(state))
}

async function stateOf (path: string): Promise<string> {
  return (await statOf(path))[0] ?? ''
}

/** State, parent and so on, as proc(5) has them after the name, which may hold anything. Empty where nothing is. */
async function statOf (path: string): Promise<string[]> {
  const stat = await readFile(path, 'utf8').catch(() => '')
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ').filter(field => field !== '')
}
