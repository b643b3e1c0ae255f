import { logError } from '@fastify-airlock/core'
import type { FastifyBaseLogger } from 'fastify'
import type { Cluster } from './cluster.js'
import type { Entry, NodeEntry } from './entry.js'
import { Pictures, type PicturesSettings } from './pictures.js'
import { Teller } from './teller.js'
import type { PresenceStats } from './types.js'
import { type BusMessage, NAME, readBusMessage } from './wire.js'

/** Settings of {@link Peers}. */
export interface PeersSettings extends Omit<PicturesSettings, 'ask'> {
  cluster: Cluster
  stats: Pick<PresenceStats, 'nodes' | 'bus'>
  log: Pick<FastifyBaseLogger, 'error'>
  /** Who is there through the connections of this node. */
  own: ReadonlyMap<string, ReadonlyMap<string, Entry>>
  /** Time between two messages about where this node stands, in milliseconds. */
  syncInterval: number
  /** When this node started, in milliseconds since the epoch. */
  startedAt: number
}

/** The other nodes: what they are told, and what they say. */
export class Peers {
  readonly #settings: PeersSettings
  readonly #teller: Teller
  readonly #pictures: Pictures
  readonly #stop: Array<() => void>
  readonly #timer: NodeJS.Timeout

  constructor (settings: PeersSettings) {
    const { cluster, own, startedAt, syncInterval } = settings
    this.#settings = settings
    this.#teller = new Teller({ topics: own, startedAt, tell: (message, to) => this.#tell(message, to) })
    this.#pictures = new Pictures({
      ...settings,
      ask: (node, life) => {
        settings.stats.bus.asked++
        // What a node never said has no life, and no JSON either.
        this.#tell({ kind: 'ask', life: Math.max(life, 0) }, node)
      }
    })
    this.#stop = [
      cluster.on(NAME, (data, { node, own }) => {
        if (!own) this.#receive(node, data)
      }),
      cluster.onNodes(({ id, state }) => { this.#pictures[state](id) })
    ]
    Object.defineProperty(settings.stats, 'nodes', { get: () => this.#pictures.size, enumerable: true })
    this.#timer = setInterval(() => this.beat(), syncInterval).unref()
  }

  entries (topic: string, subject: string): Iterable<NodeEntry> {
    return this.#pictures.entries(topic, subject)
  }

  subjects (topic: string): Iterable<string> {
    return this.#pictures.subjects(topic)
  }

  mark (topic: string, subject: string): void {
    this.#teller.mark(topic, subject)
  }

  flush (): void {
    this.#teller.flush()
  }

  /** The bus is up: what was not taken before is told and asked now. */
  up (): void {
    this.#pictures.askUnknown()
    this.beat()
  }

  /** A user is not meant to come back, to some topics or to all. */
  end (subject: string, concerns = (_topic: string): boolean => true): void {
    this.#pictures.end(subject, concerns)
  }

  /** Tells that this node begins to shut down. */
  leave (): void {
    this.#teller.bye()
  }

  beat (): void {
    this.#teller.beat()
  }

  tick (): void {
    this.#pictures.tick()
  }

  close (): void {
    clearInterval(this.#timer)
    for (const stop of this.#stop) stop()
    this.#pictures.close()
  }

  #receive (node: string, data: unknown): void {
    const { stats } = this.#settings
    const message = readBusMessage(data)
    if (message === null) {
      stats.bus.invalid++
      return
    }
    stats.bus.received++
    if (message.kind === 'ask') this.#teller.answer(node, message.life)
    else if (message.kind === 'bye') this.#pictures.bye(node)
    else this.#pictures.receive(node, message)
  }

  #tell (message: BusMessage, to: string): void {
    const { cluster, stats, log } = this.#settings
    try {
      cluster.tell(NAME, message, { to })
      stats.bus.sent++
    } catch (err) {
      logError(log, err, 'the other nodes could not be told who is there')
    }
  }
}
