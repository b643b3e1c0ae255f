import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile, readlink } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Message, NodeState, Question, Settings } from './protocol.js'

const root = resolve(import.meta.dirname, '../..')

/** What happens in a node, besides its answers. */
export interface NodeEvents {
  log: (line: string) => void
  violation: (what: string) => void
}

/** One place of the cluster: a process, and others after it on the same port. */
export class NodeProcess {
  readonly index: number
  readonly #settings: Omit<Settings, 'name'>
  readonly #events: NodeEvents
  #child: ChildProcess | undefined
  #life = 0
  #question = 0
  #publishes = false
  readonly #answers = new Map<number, (state: NodeState) => void>()

  constructor (index: number, settings: Omit<Settings, 'name' | 'port'>, events: NodeEvents) {
    this.index = index
    this.#settings = { ...settings, port: 0 }
    this.#events = events
  }

  get port (): number {
    return this.#settings.port
  }

  get pid (): number {
    return this.#child?.pid as number
  }

  /** Starts a process, which has none of what the one before knew. */
  async start (): Promise<void> {
    const settings: Settings = { ...this.#settings, name: `${this.index}.${++this.#life}` }
    const child = spawn(process.execPath, ['--expose-gc', '--import', './test/runner/register.js', '--conditions=@fastify-airlock/source', 'test/soak/node.ts'], {
      cwd: root, env: { ...process.env, SOAK_NODE: JSON.stringify(settings) }, stdio: ['ignore', 'inherit', 'inherit', 'ipc']
    })
    this.#child = child
    // A process that ends when nobody has killed it.
    child.once('exit', (code, signal) => { if (this.#child === child) this.#events.violation(`node ${settings.name} ended with ${signal ?? code}`) })
    await new Promise<void>((resolve, reject) => {
      child.once('exit', (code, signal) => reject(new Error(`node ${settings.name} ended with ${signal ?? code}`)))
      child.on('message', (message: Message) => {
        if (message.kind === 'listening') {
          this.#settings.port = message.port
          resolve()
        } else if (message.kind === 'state') {
          this.#answers.get(message.id)?.(message.state)
          this.#answers.delete(message.id)
        } else if (message.kind === 'log') this.#events.log(message.line)
        else this.#events.violation(message.what)
      })
    })
    this.publish(this.#publishes)
  }

  /** Ends the process as a power cut would. */
  async kill (): Promise<void> {
    const child = this.#child as ChildProcess
    this.#child = undefined
    this.#answers.clear()
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  }

  pause (): void { this.#child?.kill('SIGSTOP') }

  resume (): void { this.#child?.kill('SIGCONT') }

  /** Whether it sends messages to all its rooms. */
  publish (on: boolean): void {
    this.#publishes = on
    this.#ask({ id: 0, ask: 'publish', on })
  }

  /** How it is; waits as long as the node needs. @param collect whether garbage is collected first */
  async state (collect = false): Promise<NodeState> {
    return await new Promise(resolve => {
      this.#answers.set(++this.#question, resolve)
      this.#ask({ id: this.#question, ask: 'state', on: collect })
    })
  }

  #ask (question: Question): void {
    // Its end is told by the event 'exit'.
    if (this.#child?.connected === true) this.#child.send(question, () => {})
  }

  /** Descriptors that it holds, without those of connections to the given ports, whose number its drivers decide. */
  async descriptors (without: readonly number[]): Promise<number> {
    const ports = without.map(port => port.toString(16).toUpperCase().padStart(4, '0'))
    const foreign = new Set<string>()
    for (const table of ['tcp', 'tcp6']) {
      for (const line of (await readFile(`/proc/${this.pid}/net/${table}`, 'utf8').catch(() => '')).split('\n').slice(1)) {
        const [,, remote = '',,,,,,, inode = ''] = line.trim().split(/\s+/)
        if (ports.includes(remote.slice(-4))) foreign.add(`socket:[${inode}]`)
      }
    }
    const folder = `/proc/${this.pid}/fd`
    const links = await Promise.all((await readdir(folder)).map(async name => await readlink(`${folder}/${name}`).catch(() => '')))
    return links.filter(link => link !== '' && !foreign.has(link)).length
  }
}
