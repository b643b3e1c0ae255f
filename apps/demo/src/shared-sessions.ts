import type { HubBus } from '@fastify-airlock/hub'
import { randomUUID } from 'node:crypto'
import { type SessionEntry, Sessions } from './sessions.js'

/** The topic on the bus; the hub's own topics begin with `airlock/`. */
export const SESSIONS_TOPIC = 'demo/sessions'

/** Time between two signs of life of a node, in milliseconds. */
const PERIOD_MS = 10_000

/** Signs of life that a node may miss before its sockets count no more. */
const MAX_SILENT = 3

/** Time in which changes are collected, in milliseconds: thousands of sockets may open or close at once. */
const COLLECT_MS = 50

/** Sessions of one message. */
const BATCH = 1_000

/** Options of {@link SharedSessions}. */
export interface SharedSessionsOptions {
  bus: HubBus
  /**
   * What this node is called.
   * @default a random UUID
   */
  node?: string
  /** Whether the bus delivers messages at the moment. */
  isUp: () => boolean
  /**
   * Time between two signs of life, in milliseconds.
   * @default 10000
   */
  period?: number
}

interface Node {
  counts: Map<string, number>
  heard: number
}

/** What nodes tell each other, as JSON text. */
interface News {
  node?: unknown
  entries?: unknown
  counts?: unknown
  /** Asks the others for all that they know. */
  ask?: unknown
}

/** Sessions that the nodes of a bus share: each tells of new ones, and how many sockets it has of each. */
export class SharedSessions extends Sessions {
  readonly #bus: HubBus
  readonly #period: number
  readonly #isUp: () => boolean
  readonly #node: string
  readonly #others = new Map<string, Node>()
  readonly #changed = new Set<string>()
  readonly #timer: NodeJS.Timeout
  #collecting: NodeJS.Timeout | undefined

  constructor ({ bus, isUp, node = randomUUID(), period = PERIOD_MS }: SharedSessionsOptions) {
    super()
    this.#node = node
    this.#bus = bus
    this.#period = period
    this.#isUp = isUp
    bus.on(SESSIONS_TOPIC, this.#listener, () => this.#publishAll(true))
    let wasUp = true
    this.#timer = setInterval(() => {
      const up = isUp()
      if (up && !wasUp) this.#publishAll(true)
      else if (up) this.#publish({})
      wasUp = up
      this.#forget()
    }, period).unref()
  }

  override add (entry: SessionEntry): void {
    if (this.merge(entry) && this.#isUp()) this.#publish({ entries: [entry] })
  }

  override socketsOf (id: string): number {
    let sockets = super.socketsOf(id)
    for (const { counts } of this.#others.values()) sockets += counts.get(id) ?? 0
    return sockets
  }

  /** Counts the sockets of a node no more, which is gone. If it is heard again, it is asked for all. */
  forget (node: string): void {
    this.#others.delete(node)
  }

  override close (): void {
    clearInterval(this.#timer)
    clearTimeout(this.#collecting)
    this.#bus.removeListener(SESSIONS_TOPIC, this.#listener)
    super.close()
  }

  protected override onCount (id: string): void {
    this.#changed.add(id)
    this.#collecting ??= setTimeout(() => {
      this.#collecting = undefined
      const counts = [...this.#changed].map(id => [id, super.socketsOf(id)])
      this.#changed.clear()
      for (let start = 0; start < counts.length; start += BATCH) this.#publish({ counts: counts.slice(start, start + BATCH) })
    }, COLLECT_MS).unref()
  }

  readonly #listener = (message: { news?: unknown }, done: () => void): void => {
    const { node, entries, counts, ask } = read(message.news)
    if (typeof node === 'string' && node !== this.#node) {
      if (Array.isArray(entries)) for (const entry of entries) if (isEntry(entry)) this.merge(entry)
      const other = this.#find(node)
      if (Array.isArray(counts)) for (const count of counts) if (isCount(count)) other.counts.set(...count)
      if (ask === true) this.#publishAll(false)
    }
    done()
  }

  #find (node: string): Node {
    let other = this.#others.get(node)
    if (other === undefined) {
      this.#others.set(node, other = { counts: new Map(), heard: 0 })
      // It is new here, or was away.
      this.#publish({ ask: true })
    }
    other.heard = performance.now()
    return other
  }

  #forget (): void {
    const oldest = performance.now() - MAX_SILENT * this.#period
    for (const [node, { heard }] of this.#others) if (heard < oldest) this.#others.delete(node)
  }

  #publishAll (ask: boolean): void {
    const { entries, counts } = this
    const batches = Math.max(1, Math.ceil(Math.max(entries.length, counts.length) / BATCH))
    for (let batch = 0; batch < batches; batch++) {
      const [start, end] = [batch * BATCH, (batch + 1) * BATCH]
      this.#publish({ entries: entries.slice(start, end), counts: counts.slice(start, end), ask: ask && batch === 0 })
    }
  }

  #publish (news: News): void {
    // A failure needs no handling: nobody is let in or kept out by this.
    this.#bus.emit({ topic: SESSIONS_TOPIC, news: JSON.stringify({ node: this.#node, ...news }) }, () => {})
  }
}

function read (text: unknown): News {
  try {
    return (JSON.parse(text as string) ?? {}) as News
  } catch {
    return {}
  }
}

function isEntry (value: unknown): value is SessionEntry {
  const { id, subject, since, device, until } = (value ?? {}) as Partial<SessionEntry>
  return [id, subject, device].every(text => typeof text === 'string') && [since, until].every(Number.isFinite)
}

function isCount (value: unknown): value is [id: string, sockets: number] {
  return Array.isArray(value) && typeof value[0] === 'string' && Number.isSafeInteger(value[1]) && value[1] >= 0
}
