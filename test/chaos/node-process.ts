import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import type { Position } from './ledger.js'
import type { Message, Question, Settings } from './protocol.js'

const root = resolve(import.meta.dirname, '../..')

/** What has become of a publication. `null`: nobody knows. */
export type Outcome = { position: Position | undefined } | null

/** What happens in a node, besides its answers. */
export interface NodeEvents {
  log: (line: string) => void
  violation: (what: string) => void
}

/** One place of the cluster: a process, and others after it on the same port. */
export class NodeProcess {
  readonly #name: string
  readonly #settings: Settings
  readonly #events: NodeEvents
  #child: ChildProcess | undefined
  #question = 0
  readonly #answers = new Map<number, (outcome: Outcome) => void>()

  constructor (settings: Omit<Settings, 'port'>, events: NodeEvents) {
    this.#name = settings.name
    this.#settings = { ...settings, port: 0 }
    this.#events = events
  }

  get host (): string {
    return `127.0.0.1:${this.#settings.port}`
  }

  /** Starts a process, which has none of what the one before knew. */
  async start (): Promise<void> {
    const child = spawn(process.execPath, ['--import', './test/runner/register.js', '--conditions=@fastify-airlock/source', 'test/chaos/node.ts'], {
      cwd: root, env: { ...process.env, CHAOS_NODE: JSON.stringify(this.#settings) }, stdio: ['ignore', 'inherit', 'inherit', 'ipc']
    })
    this.#child = child
    // A process that ends when nobody has killed it.
    child.once('exit', (code, signal) => { if (this.#child === child) this.#events.violation(`${this.#name} ended with ${signal ?? code}`) })
    await new Promise<void>((resolve, reject) => {
      child.once('exit', (code, signal) => reject(new Error(`${this.#name} ended with ${signal ?? code}`)))
      child.on('message', (message: Message) => {
        if (message.kind === 'listening') {
          this.#settings.port = message.port
          resolve()
        } else if (message.kind === 'log') this.#events.log(message.line)
        else this.#settle(message.id, message.kind === 'published' ? { position: message.position } : null)
      })
    })
  }

  /** Ends the process as a power cut would. */
  async kill (): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (child === undefined) return
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
    for (const id of [...this.#answers.keys()]) this.#settle(id, null)
  }

  pause (): void { this.#child?.kill('SIGSTOP') }

  resume (): void { this.#child?.kill('SIGCONT') }

  /** Has it publish. @param timeout after which nobody waits for the answer, in milliseconds */
  async publish (question: Omit<Question, 'id'>, timeout: number): Promise<Outcome> {
    if (this.#child?.connected !== true) return null
    const id = ++this.#question
    return await new Promise(resolve => {
      const timer = setTimeout(() => this.#settle(id, null), timeout)
      this.#answers.set(id, outcome => {
        clearTimeout(timer)
        resolve(outcome)
      })
      this.#child?.send({ ...question, id }, error => { if (error !== null) this.#settle(id, null) })
    })
  }

  #settle (id: number, outcome: Outcome): void {
    this.#answers.get(id)?.(outcome)
    this.#answers.delete(id)
  }
}
