/** What was measured at one moment. */
export interface Sample {
  /** In seconds since the epoch, as uPlot counts. */
  time: number
  /** Connections of the node; `null` where it did not answer. */
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

/** What is kept: five minutes. */
export const SPAN_SECONDS = 300

/** What a rate is measured over: what comes once a second would else be none now and two then. */
const RATE_MS = 5_000

/** Makes samples out of totals, and keeps those of the last minutes. */
export class Rates {
  #samples: readonly Sample[] = []
  /** The totals of the last few seconds, the oldest first. */
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

  /** Nothing was measured for a while: no line is to be drawn across, and no rate to be made of it. */
  interrupt (): void {
    const end = this.#samples.at(-1)
    if (end === undefined || this.#recent.length === 0) return
    this.#recent = []
    this.#samples = [...this.#samples, { time: end.time + 0.001, connections: null, received: null, sent: null }]
  }
}

/** The last value and the largest one of a line; `null` where there is none. */
export function summarise (values: ReadonlyArray<number | null>): { last: number, most: number } | null {
  const known = values.filter(value => value !== null)
  return known.length === 0 ? null : { last: known[known.length - 1] as number, most: Math.max(...known) }
}

/** One row for each half minute, the last one first: the chart for those who do not see it. */
export function tabulate (samples: readonly Sample[], seconds = 30): Array<{ time: number, connections: number | null, received: number, sent: number }> {
  const rows = new Map<number, Sample[]>()
  for (const sample of samples) {
    const start = Math.floor(sample.time / seconds) * seconds
    rows.set(start, [...rows.get(start) ?? [], sample])
  }
  return [...rows].reverse().map(([time, part]) => ({
    time,
    connections: summarise(part.map(({ connections }) => connections))?.most ?? null,
    received: mean(part.map(({ received }) => received)),
    sent: mean(part.map(({ sent }) => sent))
  }))
}

function mean (values: ReadonlyArray<number | null>): number {
  const known = values.filter(value => value !== null)
  return known.length === 0 ? 0 : known.reduce((sum, value) => sum + value, 0) / known.length
}
