/** A measurement. */
export interface Sample {
  /** In seconds since the epoch, as uPlot counts. */
  time: number
  /** Connections on the node; `null` if it did not answer. */
  connections: number | null
  /** Messages per second over the last few seconds; `null` in the first one. */
  received: number | null
  sent: number | null
}

/** Messages so far. */
export interface Totals {
  received: number
  sent: number
}

/** How long samples are kept. */
export const SPAN_SECONDS = 300

/** The window of a rate. In a shorter one, a message that comes once a second would count as 0 now and 2 then. */
const RATE_MS = 5_000

/** Turns totals into samples, and keeps those of the last minutes. */
export class Rates {
  #samples: readonly Sample[] = []
  /** The totals of the last few seconds, oldest first. */
  #recent: ReadonlyArray<Totals & { at: number }> = []

  get samples (): readonly Sample[] {
    return this.#samples
  }

  /**
   * Adds a sample.
   *
   * @param at in milliseconds since the epoch
   */
  add (at: number, { received, sent }: Totals, connections: number | null): void {
    this.#recent = [...this.#recent.filter(totals => totals.at >= at - RATE_MS), { received, sent, at }]
    const first = this.#recent[0] as Totals & { at: number }
    const rate = (count: number) => at === first.at ? null : count * 1_000 / (at - first.at)
    const sample = { time: at / 1_000, connections, received: rate(received - first.received), sent: rate(sent - first.sent) }
    this.#samples = [...this.#samples.filter(({ time }) => time > sample.time - SPAN_SECONDS), sample]
  }

  /** Marks a gap in the measurements: no line crosses it, and no rate includes it. */
  interrupt (): void {
    const end = this.#samples.at(-1)
    if (end === undefined || this.#recent.length === 0) return
    this.#recent = []
    this.#samples = [...this.#samples, { time: end.time + 0.001, connections: null, received: null, sent: null }]
  }
}

/** Returns the last and the largest value of a line; `null` if it has none. */
export function summarize (values: ReadonlyArray<number | null>): { last: number, most: number } | null {
  const known = values.filter(value => value !== null)
  return known.length === 0 ? null : { last: known[known.length - 1] as number, most: Math.max(...known) }
}

/** Returns one row for each half minute, newest first: the chart for screen readers. */
export function tabulate (samples: readonly Sample[], seconds = 30): Array<{ time: number, connections: number | null, received: number, sent: number }> {
  const rows = new Map<number, Sample[]>()
  for (const sample of samples) {
    const start = Math.floor(sample.time / seconds) * seconds
    rows.set(start, [...rows.get(start) ?? [], sample])
  }
  return [...rows].reverse().map(([time, part]) => ({
    time,
    connections: summarize(part.map(({ connections }) => connections))?.most ?? null,
    received: mean(part.map(({ received }) => received)),
    sent: mean(part.map(({ sent }) => sent))
  }))
}

function mean (values: ReadonlyArray<number | null>): number {
  const known = values.filter(value => value !== null)
  return known.length === 0 ? 0 : known.reduce((sum, value) => sum + value, 0) / known.length
}
