/** What may be away: the bus, the ticket store, or a node by its index. */
export type Part = 'bus' | 'store' | number

interface Outage { part: Part, from: number, to: number }

/** What was sent this long before an outage may be lost in it, and so may what was sent this long before it was seen to be over. */
const MARGIN = 5_000

/** Which parts were away, and when. */
export class Outages {
  readonly #all: Outage[] = []

  /** Notes that a part is about to be away. @returns what to call when it is seen to be back */
  begin (part: Part): () => void {
    const outage = { part, from: Date.now(), to: Infinity }
    this.#all.push(outage)
    return () => { outage.to = Date.now() }
  }

  get count (): number {
    return this.#all.length
  }

  /** Whether one of the parts was away at some time between two. */
  touches (parts: readonly Part[], from: number, to: number): boolean {
    return this.#all.some(outage => parts.includes(outage.part) && outage.from - MARGIN <= to && from <= outage.to + MARGIN)
  }
}
