import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const NODE = fileURLToPath(new URL('node.ts', import.meta.url))

/** A node of the demo, in a process of its own. */
export class DemoNode {
  readonly name: string
  /** Where it listens: `http://127.0.0.1:3001`. Rejects when it ends before. */
  readonly address: Promise<string>
  /** Resolves once it is gone: with its exit code, or the signal that has killed it. */
  readonly ended: Promise<number | NodeJS.Signals>
  readonly pid: number | undefined
  readonly kill: (signal: NodeJS.Signals) => boolean
  #isRunning = true

  /**
   * Starts it.
   *
   * @param name also its `NODE_NAME`
   * @param environment all of its variables
   * @param write takes each line that it logs: JSON, with its name
   */
  constructor (name: string, environment: NodeJS.ProcessEnv, write: (line: string) => void) {
    // In a group of its own: a Ctrl-C in the terminal is for the one that has started it, who ends it after that.
    const child = spawn(process.execPath, [...process.execArgv, NODE], {
      env: { ...environment, NODE_NAME: name },
      stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
      detached: true
    })
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', line => write(withName(line, name)))
    this.name = name
    this.pid = child.pid
    this.kill = signal => child.kill(signal)
    this.ended = new Promise(resolve => {
      const end = (how: number | NodeJS.Signals) => {
        this.#isRunning = false
        resolve(how)
      }
      child.once('exit', (code, signal) => end(signal ?? code as number))
      // It could not even be started.
      child.once('error', () => end(1))
    })
    this.address = Promise.race([
      once(child, 'message').then(([address]) => address as string),
      this.ended.then(code => { throw new Error(`Node ${name} has ended with ${code} before it listened`) })
    ])
    this.address.catch(() => {})
  }

  get isRunning (): boolean {
    return this.#isRunning
  }
}

function withName (line: string, node: string): string {
  try {
    return `${JSON.stringify({ ...JSON.parse(line), node })}\n`
  } catch {
    return `${line}\n`
  }
}
