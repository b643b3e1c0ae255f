import { logError } from '@fastify-airlock/core'
import type { FastifyBaseLogger } from 'fastify'
import { run } from './cluster-messages.js'
import type { NodeChange, NodeListener } from './cluster-types.js'

/** Beats of a node that may be missing before it counts as gone. */
const MAX_SILENT = 2

/** Most nodes that are watched: anyone who can write to the bus can make some up. */
const MAX_NODES = 1_000

/** Shortest and longest time between two beats that a node is believed to have, in milliseconds. */
const SHORTEST_BEAT = 1
const LONGEST_BEAT = 60 * 60_000

/** Another node. */
interface Watched {
  /** Time between two of its beats, in milliseconds. */
  every: number
  /** When it counts as gone. */
  due: number
}

/** A node that was heard before somebody watched. */
export interface HeardNode {
  id: string
  /** When it was heard last, in milliseconds. */
  heard: number
  /** Time between two of its beats, in milliseconds. */
  every: number
}

/** Settings of a {@link NodeWatch}. */
export interface NodeWatchSettings {
  log: Pick<FastifyBaseLogger, 'error'>
  /** The nodes that were heard of late. */
  heard: () => HeardNode[]
  /**
   * A monotonic clock, in milliseconds.
   * @default performance.now
   */
  now?: (() => number) | undefined
}

/** Tells listeners which nodes come and go. Without listeners, nothing is watched. */
export class NodeWatch {
  readonly #settings: NodeWatchSettings
  readonly #now: () => number
  readonly #listeners = new Set<{ listener: NodeListener }>()
  readonly #nodes = new Map<string, Watched>()
  #timer: NodeJS.Timeout | undefined
  #timerDue = 0
  #over = false

  constructor (settings: NodeWatchSettings) {
    this.#settings = settings
    this.#now = settings.now ?? (() => performance.now())
  }

  /** @returns removes the listener */
  add (listener: NodeListener): () => void {
    const registration = { listener }
    if (this.#listeners.size === 0) {
      for (const { id, heard, every } of this.#settings.heard()) {
        if (heard + MAX_SILENT * every > this.#now()) this.#note(id, every, heard)
      }
      this.#arm()
    }
    const here = [...this.#nodes.keys()]
    this.#listeners.add(registration)
    for (const id of here) this.#tell(registration, { id, state: 'here' })
    return () => {
      if (!this.#listeners.delete(registration) || this.#listeners.size > 0) return
      this.#nodes.clear()
      clearTimeout(this.#timer)
    }
  }

  /** A node has sent a beat. */
  heard (id: string, every: number): void {
    if (this.#listeners.size === 0) return
    const isNew = !this.#nodes.has(id)
    if (isNew && this.#nodes.size >= MAX_NODES) return
    this.#note(id, every, this.#now())
    this.#arm()
    if (isNew) this.#announce({ id, state: 'here' })
  }

  /** A node has said goodbye. */
  gone (id: string): void {
    if (this.#nodes.delete(id)) this.#announce({ id, state: 'gone' })
  }

  /** Tells nobody anything any more. */
  end (): void {
    this.#over = true
    this.#listeners.clear()
    this.#nodes.clear()
    clearTimeout(this.#timer)
  }

  /** Acts on every node that is silent for too long. The timer does so as well. */
  tick (): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const now = this.#now()
    // This process stood still, and what was sent to it meanwhile has not been read yet.
    const late = now - this.#timerDue
    for (const [id, node] of this.#nodes) {
      if (late > node.every / 2) node.due = Math.max(node.due, now + node.every)
      else if (node.due <= now) this.gone(id)
    }
    this.#arm()
  }

  #note (id: string, every: number, heard: number): void {
    const beat = Math.min(Math.max(every, SHORTEST_BEAT), LONGEST_BEAT)
    this.#nodes.set(id, { every: beat, due: heard + MAX_SILENT * beat })
  }

  /** Sees to it that the timer fires no later than the first node is due. */
  #arm (): void {
    if (this.#nodes.size === 0 || this.#over) return
    const due = Math.min(...[...this.#nodes.values()].map(node => node.due))
    // What was heard since only moves the deadline: the timer finds out when it fires.
    if (this.#timer !== undefined && this.#timerDue <= due) return
    clearTimeout(this.#timer)
    this.#timerDue = due
    this.#timer = setTimeout(() => this.tick(), Math.max(0, Math.ceil(due - this.#now()))).unref()
  }

  #announce (change: NodeChange): void {
    for (const registration of [...this.#listeners]) this.#tell(registration, change)
  }

  #tell (registration: { listener: NodeListener }, change: NodeChange): void {
    // One listener may have removed another.
    if (!this.#listeners.has(registration)) return
    const { log } = this.#settings
    run(() => registration.listener({ ...change }), err => logError(log, err, 'a listener of nodes has failed'))
  }
}
