import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile, rm } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'

/** How to start a server. */
export interface ServerCommand {
  /** The program. */
  command: string
  /** Its arguments. */
  args: string[]
  /** The server's line, on either output, that says that it is ready. */
  ready: RegExp
  /** The folder of its data, removed by {@link ServerProcess.stop} and when the parent dies. */
  folder: string
}

/** Time a server has to say that it is ready, in milliseconds. */
const START_TIMEOUT = 20_000

/**
 * A server process that cannot outlive its parent, however that ends: beside it a shell waits for the end of a pipe
 * that only the parent holds open, and then kills the server and removes its data.
 */
export class ServerProcess {
  /** What the ready line matched. */
  readonly ready: RegExpExecArray
  readonly #server: ChildProcess
  readonly #watchdog: ChildProcess
  readonly #exited: Promise<unknown>
  readonly #folder: string

  private constructor (server: ChildProcess, exited: Promise<unknown>, watchdog: ChildProcess, ready: RegExpExecArray, folder: string) {
    this.#server = server
    this.#exited = exited
    this.#watchdog = watchdog
    this.ready = ready
    this.#folder = folder
  }

  /** @throws an error of one line where the program cannot be run, ends early or says nothing in time */
  static async start ({ command, args, ready, folder }: ServerCommand): Promise<ServerProcess> {
    // In a group of its own: Ctrl-C in a terminal goes to the suite, which may still need the server.
    const server = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true })
    await once(server, 'spawn')
    const exited = once(server, 'exit')
    const watchdog = spawn('sh', ['-c', 'read -r _; kill -KILL "$1"; rm -rf "$2"', 'sh', String(server.pid), folder], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true
    })
    await once(watchdog, 'spawn')
    exited.then(() => watchdog.kill('SIGKILL'))
    try {
      const match = await readyLine(server, ready)
      return new ServerProcess(server, exited, watchdog, match, folder)
    } catch (error) {
      server.kill('SIGKILL')
      await exited
      await rm(folder, { recursive: true, force: true })
      throw error
    }
  }

  /** Stops it as SIGSTOP does, and waits until it has: connections stay open, nothing answers. */
  async pause (): Promise<void> {
    this.#server.kill('SIGSTOP')
    // A thread that is in the kernel for the disk stops only when it comes back, and may answer before.
    while (!await isStopped(this.#server.pid as number)) await sleep(5)
  }

  /** Ends {@link pause}. */
  resume (): void {
    this.#server.kill('SIGCONT')
  }

  /** Kills it as SIGKILL does, and waits until it is gone. Its data stay. */
  async kill (): Promise<void> {
    this.#server.ref()
    this.#server.kill('SIGKILL')
    await this.#exited
  }

  /** Kills it and removes its data. */
  async stop (): Promise<void> {
    await this.kill()
    await rm(this.#folder, { recursive: true, force: true })
  }

  /** Lets the parent end while the server runs; the server then ends as well. */
  unref (): void {
    for (const child of [this.#server, this.#watchdog]) {
      child.unref()
      for (const stream of child.stdio) (stream as { unref?: () => void } | null)?.unref?.()
    }
  }
}

async function isStopped (pid: number): Promise<boolean> {
  // Elsewhere than on Linux there is no such folder, and the signal has to be trusted.
  const threads = await readdir(`/proc/${pid}/task`).catch(() => [])
  const states = await Promise.all(threads.map(async thread => {
    const stat = await readFile(`/proc/${pid}/task/${thread}/stat`, 'utf8').catch(() => ') T')
    return stat.charAt(stat.lastIndexOf(')') + 2)
  }))
  return states.every(state => state === 'T')
}

function readyLine (server: ChildProcess, ready: RegExp): Promise<RegExpExecArray> {
  return new Promise((resolve, reject) => {
    let output = ''
    const timer = setTimeout(() => reject(new Error(`not ready within ${START_TIMEOUT} ms`)), START_TIMEOUT)
    const onOutput = (chunk: Buffer): void => {
      output += chunk.toString()
      const match = ready.exec(output)
      if (match === null) return
      // From here on the output is only drained.
      for (const stream of [server.stdout, server.stderr]) stream?.off('data', onOutput).resume()
      clearTimeout(timer)
      resolve(match)
    }
    server.stdout?.on('data', onOutput)
    server.stderr?.on('data', onOutput)
    server.once('exit', (code, signal) => {
      clearTimeout(timer)
      reject(new Error(`ended early with ${signal ?? code}: ${output.trim().split('\n').at(-1)}`))
    })
  })
}
