import type { ConnectionCounter, CountedConnection, PlaceAnswer } from '../connection-counter.js'

interface Place {
  holder: string
  id: string
  since: number
}

/**
 * Counts connections within one process: for tests, and for several servers in one process. Nodes need a counter that they
 * share, such as {@link RedisConnectionCounter} of `@fastify-airlock/hub/redis`.
 */
export class MemoryConnectionCounter implements ConnectionCounter {
  readonly #now: () => number
  /** Until when each holder lives. */
  readonly #holders = new Map<string, number>()
  readonly #places = new Map<string, Place[]>()

  /** @param now a monotonic clock, in milliseconds */
  constructor (now = (): number => performance.now()) {
    this.#now = now
  }

  async begin (holder: string, previous: string | null, life: number): Promise<void> {
    if (previous !== null) this.#holders.delete(previous)
    this.#holders.set(holder, this.#now() + life)
  }

  async renew (holder: string, life: number): Promise<boolean> {
    const isKnown = this.#lives(holder)
    if (isKnown) this.#holders.set(holder, this.#now() + life)
    return isKnown
  }

  async take (holder: string, { subject, id }: CountedConnection, limit: number, replace: boolean): Promise<PlaceAnswer> {
    if (!this.#lives(holder)) return { place: 'unknown', replaced: [] }
    const places = this.#placesOf(subject)
    if (places.some(place => place.holder === holder && place.id === id)) return { place: 'taken', replaced: [] }
    if (places.length >= limit && !replace) return { place: 'refused', replaced: [] }
    const replaced = places.splice(0, Math.max(0, places.length - limit + 1))
    this.#places.set(subject, [...places, { holder, id, since: this.#now() }])
    return { place: 'taken', replaced: replaced.map(({ id }) => id) }
  }

  async keep (holder: string, connections: Array<CountedConnection & { age: number }>): Promise<void> {
    for (const { subject, id, age } of connections) {
      const others = (this.#places.get(subject) ?? []).filter(place => place.holder !== holder || place.id !== id)
      this.#places.set(subject, [...others, { holder, id, since: this.#now() - age }].sort((a, b) => a.since - b.since))
    }
  }

  async release (holder: string, { subject, id }: CountedConnection): Promise<void> {
    const places = this.#placesOf(subject).filter(place => place.holder !== holder || place.id !== id)
    if (places.length === 0) this.#places.delete(subject)
    else this.#places.set(subject, places)
  }

  async end (holder: string): Promise<void> {
    this.#holders.delete(holder)
  }

  #lives (holder: string): boolean {
    return (this.#holders.get(holder) ?? -Infinity) > this.#now()
  }

  /** Those whose holders live, the oldest first. */
  #placesOf (subject: string): Place[] {
    return (this.#places.get(subject) ?? []).filter(({ holder }) => this.#lives(holder))
  }
}
