import mqemitter, { type Message as BusMessage, type MQEmitter } from 'mqemitter'
import { soon, turn } from './real-time.js'

type Listener = (message: any, done: () => void) => void
type State = 'lost' | 'back'

/** The end of a {@link TestBus} that one node has: what the hub takes for its option `bus`. */
export interface BusLink {
  /** Subscribes to a topic or a pattern. */
  on (topic: string, listener: Listener, callback?: () => void): unknown
  /** Sends a message to all nodes. */
  emit (message: { topic: string, [member: string]: unknown }, callback?: (error?: Error | null) => void): unknown
  /** Ends a subscription. */
  removeListener (topic: string, listener: Listener, callback?: () => void): unknown
  /** Has the hub told of a cut, unless it is silent. */
  watch (listener: (state: State) => void): unknown
}

/** A message between nodes. */
interface Flying {
  from: Link
  message: { topic: string, [member: string]: unknown }
}

/**
 * A bus between the nodes of one process, for tests: each node gets copies, later in the event loop, in order. It fails on demand:
 * it cuts nodes off, refuses, loses, repeats and holds messages back.
 *
 * @example
 * const bus = new TestBus()
 * await app.register(wsHub, { bus: bus.connect() })
 */
export class TestBus {
  /** Messages that were taken so far. */
  sent = 0
  /** Messages that were lost so far, counted once for each node that should have had one. */
  lost = 0
  readonly #links = new Set<Link>()
  #flying: Flying[] = []
  #handing = 0
  #held = false
  #refuses = false
  #losing = 0
  #repeats = 1

  /** Connects a node. */
  connect (): BusLink {
    const link = new Link((from, message) => this.#send(from, message), () => this.#refuses)
    this.#links.add(link)
    return link
  }

  /**
   * Cuts nodes off: what they send fails, and nothing reaches them.
   *
   * @param link which one
   * @default link all
   * @param options `silent`: the hub is not told, and has to find out by its beats
   */
  cut (link?: BusLink, { silent = false }: { silent?: boolean } = {}): void {
    for (const one of this.#meant(link)) one.cut(silent)
  }

  /** Connects nodes again that were cut off. */
  mend (link?: BusLink): void {
    for (const one of this.#meant(link)) one.mend()
  }

  /** From now on it refuses each message: `emit` calls back with an error. */
  refuse (): void {
    this.#refuses = true
  }

  /** Takes messages again. */
  accept (): void {
    this.#refuses = false
  }

  /** Loses the next messages, without a word. */
  lose (messages = Infinity): void {
    this.#losing = messages
  }

  /** Hands each message over so many times. */
  repeat (times: number): void {
    this.#repeats = times
  }

  /** Holds back what is sent from now on, until {@link TestBus.release}. */
  hold (): void {
    this.#held = true
  }

  /** Hands over what was held back, in the order in which it was sent. */
  release (): void {
    this.#held = false
    this.#schedule()
  }

  /** All is well again: mends, accepts, releases, and loses and repeats nothing. */
  heal (): void {
    this.mend()
    this.accept()
    this.lose(0)
    this.repeat(1)
    this.release()
  }

  /**
   * Waits until everything has been handed over that was sent, and is not held back.
   *
   * @param isOver ends the wait before
   * @default isOver never
   */
  async settled (isOver = (): boolean => false): Promise<void> {
    while (!isOver() && (this.#handing > 0 || (this.#flying.length > 0 && !this.#held))) await turn()
  }

  /** Takes a node off for good: `heal` does not bring it back. @internal */
  disconnect (link: BusLink): void {
    this.cut(link, { silent: true })
    this.#links.delete(link as Link)
  }

  #meant (link: BusLink | undefined): Iterable<Link> {
    return link === undefined ? this.#links : [link as Link]
  }

  #send (from: Link, message: Flying['message']): void {
    this.sent++
    if (this.#losing > 0) {
      this.#losing--
      this.lost += this.#links.size
      return
    }
    for (let times = 0; times < this.#repeats; times++) this.#flying.push({ from, message: structuredClone(message) })
    if (!this.#held) this.#schedule()
  }

  #schedule (): void {
    soon(() => {
      if (this.#held) return
      const [...due] = this.#flying
      this.#flying = []
      for (const { from, message } of due) {
        for (const link of this.#links) {
          if (from.isCut || link.isCut) {
            this.lost++
            continue
          }
          this.#handing++
          // A copy for each: nodes share no memory.
          link.deliver(structuredClone(message), () => { this.#handing-- })
        }
      }
    })
  }
}

class Link implements BusLink {
  isCut = false
  readonly #emitter: MQEmitter = mqemitter()
  readonly #send: (from: Link, message: Flying['message']) => void
  readonly #isRefused: () => boolean
  readonly #watchers = new Set<(state: State) => void>()
  /** Confirmations that wait for the connection. */
  #unconfirmed: Array<() => void> = []

  constructor (send: (from: Link, message: Flying['message']) => void, isRefused: () => boolean) {
    this.#send = send
    this.#isRefused = isRefused
  }

  on (topic: string, listener: Listener, callback?: () => void): this {
    this.#emitter.on(topic, listener, () => {
      if (callback === undefined) return
      if (this.isCut) this.#unconfirmed.push(callback)
      else callback()
    })
    return this
  }

  emit (message: Flying['message'], callback: (error?: Error | null) => void = () => {}): this {
    const problem = this.isCut ? 'The test has cut this node off the bus' : this.#isRefused() ? 'The test has the bus refuse messages' : null
    if (problem === null) this.#send(this, message)
    soon(() => { callback(problem === null ? null : new Error(problem)) })
    return this
  }

  removeListener (topic: string, listener: Listener, callback?: () => void): this {
    this.#emitter.removeListener(topic, listener, callback)
    return this
  }

  watch (listener: (state: State) => void): void {
    this.#watchers.add(listener)
  }

  cut (silent: boolean): void {
    this.isCut = true
    if (!silent) this.#tell('lost')
  }

  mend (): void {
    if (!this.isCut) return
    this.isCut = false
    for (const confirm of this.#unconfirmed.splice(0)) confirm()
    this.#tell('back')
  }

  deliver (message: Flying['message'], done: () => void): void {
    this.#emitter.emit(message as BusMessage, done)
  }

  #tell (state: State): void {
    for (const watcher of this.#watchers) watcher(state)
  }
}
