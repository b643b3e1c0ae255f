import { isThenable, logError } from '@fastify-airlock/core'
import type { FastifyBaseLogger } from 'fastify'
import type { TellListener } from './cluster-types.js'

interface Registration {
  listener: TellListener
}

interface Told {
  name: string
  text: string
  node: string
}

/** Settings of {@link ClusterMessages}. */
export interface ClusterMessagesSettings {
  /** This node. */
  node: string
  log: Pick<FastifyBaseLogger, 'error'>
  /** Called when a name has its first listener. */
  onFirst: (name: string) => void
  /** Called when a name has lost its last listener. */
  onLast: (name: string) => void
}

/** Hands cluster messages to the listeners of this node, one message after the other. */
export class ClusterMessages {
  readonly #settings: ClusterMessagesSettings
  readonly #listeners = new Map<string, Set<Registration>>()
  /** What listeners have caused, and waits until all have the message before. */
  readonly #waiting: Told[] = []
  #busy = false
  #over = false

  constructor (settings: ClusterMessagesSettings) {
    this.#settings = settings
  }

  /** @returns removes the listener */
  add (name: string, listener: TellListener): () => void {
    const registration: Registration = { listener }
    let listeners = this.#listeners.get(name)
    if (listeners === undefined) {
      this.#listeners.set(name, listeners = new Set())
      this.#settings.onFirst(name)
    }
    listeners.add(registration)
    return () => {
      if (!listeners.delete(registration) || listeners.size > 0) return
      this.#listeners.delete(name)
      this.#settings.onLast(name)
    }
  }

  /**
   * Hands a message to the listeners of its name. One that fails stops no other.
   *
   * @param text JSON
   * @param node who has sent it
   */
  hand (name: string, text: string, node: string): void {
    if (this.#over || !this.#listeners.has(name)) return
    this.#waiting.push({ name, text, node })
    if (this.#busy) return
    this.#busy = true
    for (let told = this.#waiting.shift(); told !== undefined; told = this.#waiting.shift()) this.#handOne(told)
    this.#busy = false
  }

  /** Hands nothing to anybody any more. */
  end (): void {
    this.#over = true
    this.#waiting.length = 0
  }

  #handOne ({ name, text, node }: Told): void {
    const listeners = this.#listeners.get(name) ?? new Set()
    for (const registration of [...listeners]) {
      // One listener may have removed another, or closed the server.
      if (this.#over || !listeners.has(registration)) continue
      const { log, node: self } = this.#settings
      run(() => registration.listener(JSON.parse(text), { node, own: node === self }),
        err => logError(log, err, 'a listener of cluster messages has failed', { tell: name }))
    }
  }
}

/** Calls a function of the application. Whatever becomes of it, it ends neither the process nor what comes after it. */
export function run (call: () => unknown, onError: (error: unknown) => void): void {
  try {
    const result = call()
    if (isThenable(result)) Promise.resolve(result).catch(onError)
  } catch (error) {
    onError(error)
  }
}
