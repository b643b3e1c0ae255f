import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

// Servers such as PostgreSQL put each of their processes into a session of its own, so that no signal to a group
// reaches them all. Elsewhere than on Linux there is no /proc, and only the first process is reached. All that is read
// here is read at once: nothing of this process, such as a test that talks to the server, goes on meanwhile.

/**
 * Stops a process and all that it started, as SIGSTOP does, and waits until they have.
 *
 * @returns their ids
 */
export async function stopTree (root: number): Promise<number[]> {
  const stopped: number[] = []
  for (let found = [root]; found.length > 0; found = descendants(root).filter(pid => !stopped.includes(pid))) {
    for (const pid of found) signal(pid, 'SIGSTOP')
    // A thread that is in the kernel for the disk stops only when it comes back, and may answer or fork before.
    while (!found.every(isStopped)) await sleep(5)
    stopped.push(...found)
  }
  return stopped
}

/** Kills a process and all that it started, as SIGKILL does, and waits until they are gone. */
export async function killTree (root: number): Promise<void> {
  // A stopped process starts no other. Those that it has started just before are found the second time.
  signal(root, 'SIGSTOP')
  const killed = [...descendants(root), ...descendants(root), root]
  for (const pid of killed) signal(pid, 'SIGKILL')
  // A process that nobody has waited for yet is gone all the same.
  while (!killed.every(pid => ['', 'Z', 'X'].includes(stateOf(`/proc/${pid}/stat`)))) await sleep(5)
}

/** Sends a signal to a process that may have ended. */
export function signal (pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

function descendants (root: number): number[] {
  const children = new Map<number, number[]>()
  for (const pid of list('/proc').map(Number).filter(Number.isInteger)) {
    const parent = Number(statOf(`/proc/${pid}/stat`)[1])
    children.set(parent, [...children.get(parent) ?? [], pid])
  }
  const below = (pid: number): number[] => (children.get(pid) ?? []).flatMap(child => [child, ...below(child)])
  return below(root)
}

function isStopped (pid: number): boolean {
  return list(`/proc/${pid}/task`).every(thread => ['T', 'Z', 'X', ''].includes(stateOf(`/proc/${pid}/task/${thread}/stat`)))
}

function stateOf (path: string): string {
  return statOf(path)[0] ?? ''
}

/** State, parent and so on, as proc(5) has them after the name, which may hold anything. Empty where nothing is. */
function statOf (path: string): string[] {
  try {
    const stat = readFileSync(path, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  } catch {
    return []
  }
}

function list (folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}
