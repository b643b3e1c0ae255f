import { Deadline, peek } from '@fastify-airlock/core'
import type { FastifyBaseLogger } from 'fastify'
import type { ConnectionCounter, CountedConnection, PlaceAnswer } from './connection-counter.js'
import type { CounterStats } from './status.js'

/** A node that has not renewed its life for so many beats loses its places. */
const LIVES_BEATS = 2

/** Time that a counter has for an answer, in milliseconds. */
const TIMEOUT_MS = 2_000

/** How often a counter is told of all connections, in milliseconds: it forgets them after {@link KEPT_MS}. */
const KEEP_MS = 10 * 60_000

/** Connections that a counter is told of at once. */
const BATCH = 100

/** A connection that counts. */
interface Counted extends CountedConnection {
  /** When it came, in milliseconds. */
  since: number
}

/** Settings of a {@link ClusterLimit}. */
export interface ClusterLimitSettings {
  counter: ConnectionCounter
  /** The id of this node. */
  node: string
  /** Connections of one user on all nodes. */
  limit: number
  /** Whether the oldest connections make room for new ones. */
  replace: boolean
  /** Time between two signs of life, in milliseconds. */
  beat: number
  stats: CounterStats
  log: Pick<FastifyBaseLogger, 'info' | 'warn'>
  /** Closes a connection of this node that has got no place. */
  refuse: (id: string) => void
  /** Closes a connection of any node that has had to make room. */
  expel: (id: string) => void
  /**
   * Time that the counter has for an answer, in milliseconds.
   * @default 2000
   */
  timeout?: number
  /**
   * A monotonic clock, in milliseconds.
   * @default performance.now
   */
  now?: (() => number) | undefined
}

/**
 * Limits the connections of each user over all nodes. A connection is let in first and asked about then: one too many is closed
 * a moment later. While the counter is away nothing is asked, and the limit of this node alone applies, as it always does.
 *
 * After each loss this node has a new name at the counter, and tells it what there is under that name: whatever was under way
 * or has been missed counts for the old name, which is dropped.
 */
export class ClusterLimit {
  readonly #settings: ClusterLimitSettings
  readonly #now: () => number
  readonly #connections = new Map<string, Counted>()
  /** Those that ask for a place. */
  readonly #asking = new Set<string>()
  /** Connections that came while the counter is being told of the others. */
  #late: Counted[] | null = null
  readonly #deadline: Deadline
  readonly #timer: NodeJS.Timeout
  #holder: string
  #holders = 0
  #state: 'starting' | 'up' | 'down' = 'starting'
  #isBusy = false
  #keptAt = 0
  #over = false

  constructor (settings: ClusterLimitSettings) {
    this.#settings = settings
    this.#deadline = new Deadline(settings.timeout ?? TIMEOUT_MS)
    this.#now = settings.now ?? (() => performance.now())
    this.#holder = ''
    this.#timer = setInterval(() => { this.tick() }, settings.beat).unref()
    this.tick()
  }

  /** Whether connections are counted over all nodes; not yet at the start. */
  get state (): 'up' | 'down' {
    return this.#state === 'up' ? 'up' : 'down'
  }

  /** Asks for a place for a connection that is there. */
  add (connection: CountedConnection): void {
    if (this.#over) return
    const counted = { ...connection, since: this.#now() }
    this.#connections.set(connection.id, counted)
    if (this.#state === 'up') this.#take(counted)
    else this.#late?.push(counted)
  }

  /** Gives back the place of a connection that is gone or closing. */
  remove (id: string | undefined): void {
    const connection = this.#connections.get(id as string)
    if (connection === undefined) return
    this.#connections.delete(connection.id)
    if ((this.#state === 'up' || this.#late !== null) && !this.#asking.has(connection.id)) this.#release(connection)
  }

  /** Says that this node lives, or looks whether the counter is back. To be called once a beat. */
  tick (): void {
    if (this.#over || this.#isBusy) return
    this.#isBusy = true
    const step = this.#state === 'up' ? this.#renew() : this.#begin()
    step.then(() => {}, error => this.#lose(error)).finally(() => { this.#isBusy = false })
  }

  /** Gives all places back: this node does not limit anything any more. */
  end (): void {
    if (this.#over) return
    this.#over = true
    clearInterval(this.#timer)
    if (this.#state === 'up') this.#ask(counter => counter.end(this.#holder)).catch(() => {})
    this.#connections.clear()
  }

  async #renew (): Promise<void> {
    const { beat } = this.#settings
    if (!await this.#ask(counter => counter.renew(this.#holder, beat * LIVES_BEATS))) return await this.#begin()
    if (this.#now() - this.#keptAt >= KEEP_MS) await this.#keep([...this.#connections.values()])
  }

  /** Tells the counter what there is, under a new name. */
  async #begin (): Promise<void> {
    const { node, beat, log } = this.#settings
    const previous = this.#holder === '' ? null : this.#holder
    this.#holder = `${node}-${++this.#holders}`
    if (this.#state === 'up') this.#state = 'starting'
    const late: Counted[] = this.#late = []
    await this.#ask(counter => counter.begin(this.#holder, previous, beat * LIVES_BEATS))
    await this.#keep([...this.#connections.values()].filter(connection => !late.includes(connection)))
    this.#late = null
    if (this.#over) {
      await this.#ask(counter => counter.end(this.#holder))
      return
    }
    if (this.#state === 'down') log.info('the hub counts connections over all nodes again')
    this.#state = 'up'
    for (const connection of late) if (this.#connections.has(connection.id)) this.#take(connection)
  }

  async #keep (connections: Counted[]): Promise<void> {
    this.#keptAt = this.#now()
    for (let start = 0; start < connections.length; start += BATCH) {
      const some = connections.slice(start, start + BATCH).filter(({ id }) => this.#connections.has(id))
      const now = this.#now()
      // One that closes from here on is released after it.
      await this.#ask(counter => counter.keep(this.#holder, some.map(({ subject, id, since }) => ({ subject, id, age: now - since }))))
    }
  }

  #take (connection: Counted): void {
    const { limit, replace } = this.#settings
    const { subject, id } = connection
    const holder = this.#holder
    this.#asking.add(id)
    this.#ask(counter => counter.take(holder, { subject, id }, limit, replace)).then(answer => {
      this.#asking.delete(id)
      // Since then everything was told anew, under another name.
      if (!this.#over && holder === this.#holder) this.#settle(connection, answer)
    }).catch(error => {
      // A counter may answer anything.
      this.#asking.delete(id)
      if (holder === this.#holder) this.#lose(error)
    })
  }

  #settle (connection: Counted, { place, replaced }: PlaceAnswer): void {
    const { stats, refuse, expel } = this.#settings
    const { id } = connection
    for (const other of replaced) {
      stats.replaced++
      // Its place is given back already.
      this.#connections.delete(other)
      expel(other)
    }
    if (place === 'unknown') return this.tick()
    const isHere = this.#connections.has(id)
    if (place === 'refused' && isHere) {
      stats.refused++
      this.#connections.delete(id)
      refuse(id)
    } else if (place === 'taken') {
      stats.taken++
      if (!isHere) this.#release(connection)
    }
  }

  #release ({ subject, id }: Counted): void {
    const holder = this.#holder
    this.#ask(counter => counter.release(holder, { subject, id })).catch(error => {
      if (holder === this.#holder) this.#lose(error)
    })
  }

  #lose (error: unknown): void {
    const { stats, log } = this.#settings
    stats.failed++
    this.#late = null
    if (this.#state === 'down' || this.#over) return
    this.#state = 'down'
    // Only the message: a client may attach the command to its error.
    log.warn({ reason: peek(error, 'message') }, 'the hub cannot count connections over all nodes: the limit of this node applies')
  }

  /** Asks the counter, for a bounded time. */
  #ask<T> (question: (counter: ConnectionCounter) => Promise<T>): Promise<T> {
    const { counter } = this.#settings
    // Whatever a counter is, it may throw.
    return this.#deadline.race(Promise.resolve().then(() => question(counter)))
  }
}
