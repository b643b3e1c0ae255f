import type { Entry } from './entry.js'
import { type BusMessage, split, type Tuple, tupleOf } from './wire.js'

/** Settings of {@link Teller}. */
export interface TellerSettings {
  /** Who is there through the connections of this node. */
  topics: ReadonlyMap<string, ReadonlyMap<string, Entry>>
  /** Tells other nodes: all of them, or the one with an id. */
  tell: (message: BusMessage, to: string) => void
  /** When this node started, in milliseconds since the epoch: a later start is a later life. */
  startedAt: number
}

/** What this node tells others of the users of its own connections. */
export class Teller {
  readonly #settings: TellerSettings
  /** By topic. */
  readonly #changed = new Map<string, Set<string>>()
  #life: number
  #version = 0

  constructor (settings: TellerSettings) {
    this.#settings = settings
    this.#life = settings.startedAt
  }

  /** Notes that a user has to be told of. */
  mark (topic: string, subject: string): void {
    let subjects = this.#changed.get(topic)
    if (subjects === undefined) this.#changed.set(topic, subjects = new Set())
    subjects.add(subject)
  }

  /** Tells what has changed. */
  flush (): void {
    if (this.#changed.size === 0) return
    const users = split(this.#take())
    for (const some of users) this.#settings.tell({ kind: 'change', life: this.#life, version: ++this.#version, users: some }, 'others')
  }

  /** Tells where this node stands. */
  beat (): void {
    this.#settings.tell({ kind: 'version', life: this.#life, version: this.#version }, 'others')
  }

  /** Tells a node everything. `life` is the one that it believes this node to have. */
  answer (node: string, life: number): void {
    // Each version means one thing: parts of two answers may meet.
    this.flush()
    if (life > this.#life) {
      this.#life = life + 1
      // Not 0, where nobody is.
      this.#version = 1
    }
    const pages = split(this.#all())
    for (const [page, users] of pages.entries()) {
      this.#settings.tell({ kind: 'page', life: this.#life, version: this.#version, page, pages: pages.length, users }, node)
    }
  }

  /** Tells that this node shuts down. */
  bye (): void {
    this.#settings.tell({ kind: 'bye', life: this.#life }, 'others')
  }

  * #take (): Generator<[string, Tuple], void, undefined> {
    for (const [topic, subjects] of this.#changed) {
      const users = this.#settings.topics.get(topic)
      for (const subject of subjects) yield [topic, tupleOf(subject, users?.get(subject))]
    }
    this.#changed.clear()
  }

  * #all (): Generator<[string, Tuple], void, undefined> {
    for (const [topic, users] of this.#settings.topics) for (const [subject, entry] of users) yield [topic, tupleOf(subject, entry)]
  }
}
