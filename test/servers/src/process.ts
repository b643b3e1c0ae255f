import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { killTree, signal, stopTree } from './tree.js'

/** How to start a server. */
export interface ServerCommand {
  /** The program. */
  command: string
  /** Its arguments. */
  args: string[]
  /** The server's line, on either output, that says that it is ready. */
  ready: RegExp
  /** The folder of its data, in which it is started; removed by {@link ServerProcess.stop} and when the parent dies. */
  folder: string
  /** Whom it runs as, where that is somebody else. */
  user?: { uid: number, gid: number } | undefined
}

/** Time a server has to say that it is ready, in milliseconds. */
const START_TIMEOUT = 40_000

/** Waits for the end of its input, then kills the process $1 with all that it started, and removes the folder $2. */
const WATCHDOG = `
  tree () {
    for status in $(grep -ls "^PPid:[[:space:]]*$1$" /proc/[0-9]*/status); do
      status=\${status#/proc/}
      tree "\${status%/status}"
    done
    echo "$1"
  }
  read -r _
  kill -STOP "$1"
  kill -KILL $(tree "$1")
  rm -rf "$2"`

/**
 * A server with all of its processes that cannot outlive its parent, however that ends: beside it a shell waits for
 * the end of a pipe that only the parent holds open, and then kills the server and removes its data.
 */
export class ServerProcess {
  /** What the ready line matched. */
  readonly ready: RegExpExecArray
  readonly #server: ChildProcess
  readonly #watchdog: ChildProcess
  readonly #exited: Promise<unknown>
  readonly #folder: string
  #paused: number[] = []

  private constructor (server: ChildProcess, exited: Promise<unknown>, watchdog: ChildProcess, ready: RegExpExecArray, folder: string) {
    this.#server = server
    this.#exited = exited
    this.#watchdog = watchdog
    this.ready = ready
    this.#folder = folder
  }

  /** @throws an error of one line where the program cannot be run, ends early or says nothing in time */
  static async start ({ command, args, ready, folder, user }: ServerCommand): Promise<ServerProcess> {
    // In a group of its own: Ctrl-C in a terminal goes to the suite, which may still need the server.
    const server = spawn(command, args, { ...user, cwd: folder, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
    await once(server, 'spawn')
    const exited = once(server, 'exit')
    const watchdog = spawn('sh', ['-c', WATCHDOG, 'sh', String(server.pid), folder], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true
    })
    await once(watchdog, 'spawn')
    exited.then(() => watchdog.kill('SIGKILL'))
    try {
      const match = await readyLine(server, ready)
      return new ServerProcess(server, exited, watchdog, match, folder)
    } catch (error) {
      await end(server, exited)
      await rm(folder, { recursive: true, force: true })
      throw error
    }
  }

  /** Stops it as SIGSTOP does, and waits until it has: connections stay open, nothing answers. */
  async pause (): Promise<void> {
    this.#paused = await stopTree(this.#server.pid as number)
  }

  /** Ends {@link pause}. */
  resume (): void {
    for (const pid of this.#paused.splice(0)) signal(pid, 'SIGCONT')
  }

  /** Kills it as SIGKILL does, and waits until it is gone. Its data stay. */
  async kill (): Promise<void> {
    this.#paused = []
    this.#server.ref()
    await end(this.#server, this.#exited)
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

/** Kills a server that may have ended, with all of its processes: children that stay behind would hold on to its data. */
async function end (server: ChildProcess, exited: Promise<unknown>): Promise<void> {
  if (server.exitCode === null && server.signalCode === null) await killTree(server.pid as number)
  await exited
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
    // Not at its exit: its last words may still be on their way.
    server.once('close', (code, signal) => {
      clearTimeout(timer)
      reject(new Error(`ended early with ${signal ?? code}: ${output.trim().split('\n').at(-1)}`))
    })
  })
}
