import { isThenable, logError, Sweep, type Sweepable } from '@fastify-airlock/core'
import type { FastifyBaseLogger } from 'fastify'
import type { PresenceStats, PresenceChange } from './types.js'
import { Watched, type WatchedSettings, type Watcher } from './watched.js'

/** Width of the slots of reports, in milliseconds. */
const RESOLUTION = 25

/** Settings of {@link Reports}. */
export interface ReportsSettings extends Omit<WatchedSettings, 'call'> {
  /** Shortest time between two reports, in milliseconds. */
  reportInterval: number
  /** Who is in a topic; some may come several times. */
  subjects: (topic: string) => Iterable<string>
  /** Called with each report, before those who watch are told. */
  onReport: () => void
  stats: Pick<PresenceStats, 'changes'>
  log: Pick<FastifyBaseLogger, 'error'>
  /** A monotonic clock, in milliseconds. */
  now: () => number
}

/** The topics that somebody on this node watches, and when they are told of what has changed. */
export class Reports {
  readonly #settings: ReportsSettings
  readonly #watched = new Map<string, Watched>()
  /** Those with something to report. */
  readonly #news = new Set<Watched>()
  readonly #sweep: Sweep<Sweepable>
  readonly #next: Sweepable = { due: 0 }
  #reportedAt = -Infinity
  #closed = false

  constructor (settings: ReportsSettings) {
    this.#settings = settings
    this.#sweep = new Sweep(() => this.flush(), { now: settings.now, resolution: RESOLUTION })
  }

  /** Has a listener of the application told. @returns ends it */
  listen (topic: string, listener: (change: PresenceChange) => unknown): () => void {
    const watched = this.#watch(topic)
    const registration = { listener }
    watched.listeners.add(registration)
    return () => {
      watched.listeners.delete(registration)
      this.#tidy(watched)
    }
  }

  /** Sends a client who is there, and what changes from now on. */
  follow (topic: string, watcher: Watcher): void {
    const watched = this.#watch(topic)
    watched.watchers.add(watcher)
    watched.list(watcher)
    this.#retry(watched)
  }

  /** Ends {@link follow}. */
  unfollow (topic: string, watcher: Watcher): void {
    const watched = this.#watched.get(topic)
    if (watched?.watchers.delete(watcher) === true) this.#tidy(watched)
  }

  /**
   * Notes that a user of a topic may have changed.
   *
   * @returns whether somebody watches the topic
   */
  mark (topic: string, subject: string): boolean {
    const watched = this.#watched.get(topic)
    if (watched === undefined) return false
    watched.mark(subject)
    this.#news.add(watched)
    return true
  }

  /** Has a report follow: at once after a pause, else when it is time. */
  schedule (): void {
    if (this.#next.due !== 0 || this.#closed) return
    this.#sweep.set(this.#next, this.#reportedAt + this.#settings.reportInterval - this.#settings.now())
  }

  /** Reports what has changed. The timer does so as well. */
  flush (): void {
    const { now, onReport, stats } = this.#settings
    this.#sweep.clear(this.#next)
    this.#reportedAt = now()
    onReport()
    const news = [...this.#news]
    this.#news.clear()
    for (const watched of news) {
      if (watched.flush()) stats.changes++
      this.#retry(watched)
    }
  }

  /** Reports if it is time. The timer does so as well. */
  tick (): void {
    this.#sweep.tick()
  }

  close (): void {
    this.#closed = true
    this.#watched.clear()
    this.#news.clear()
    this.#sweep.close()
  }

  #watch (topic: string): Watched {
    let watched = this.#watched.get(topic)
    if (watched === undefined) {
      watched = new Watched(topic, this.#settings.subjects(topic), { ...this.#settings, call: (listener, change) => this.#call(listener, change) })
      this.#watched.set(topic, watched)
    }
    return watched
  }

  #tidy (watched: Watched): void {
    if (!watched.isEmpty || this.#watched.get(watched.topic) !== watched) return
    this.#watched.delete(watched.topic)
    this.#news.delete(watched)
  }

  #call (listener: (change: PresenceChange) => unknown, change: PresenceChange): void {
    const failed = (err: unknown): void => { logError(this.#settings.log, err, 'a listener of presence has failed') }
    try {
      const result = listener(change)
      if (isThenable(result)) Promise.resolve(result).catch(failed)
    } catch (error) {
      failed(error)
    }
  }

  /** A client that had no room for all of it gets the rest at the next report. */
  #retry (watched: Watched): void {
    if (!watched.isLate) return
    this.#news.add(watched)
    this.schedule()
  }
}
