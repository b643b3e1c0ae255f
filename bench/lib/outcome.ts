import type { Context } from './context.js'
import type { Sample, Samples } from './interleave.js'
import { type Figure, figure, ratio } from './statistics.js'

/** A figure that has a target, or compares two revisions. */
export interface Verdict {
  what: string
  figure: Figure
  unit: string
  /** The most that is good enough. */
  target?: number
}

/** What a row has brought. */
export interface Outcome {
  /** How many rounds of what. */
  how: string
  columns: string[]
  lines: Array<{ peer: string, cells: Record<string, Figure> }>
  verdicts: Verdict[]
  notes: string[]
}

/** Something to measure. */
export interface Row {
  id: string
  title: string
  /** Only `bench:full` has it, unless it is asked for by name. */
  full?: boolean
  /** Whether it is measured on other versions of Node, and on Bun, as well. */
  column?: boolean
  /** Whether it compares revisions. */
  against?: boolean
  run (context: Context): Promise<Outcome>
}

/** A ratio that has a target. */
export interface Goal { of: string, to: string, target: number, what?: string }

/** What is compared in a table. */
export interface Comparison {
  how: string
  /** Metrics that are printed. */
  metrics: string[]
  /** The one whose ratios are. */
  metric: string
  bases: string[]
  goals: Goal[]
}

const valuesOf = (samples: Sample[], metric: string): number[] =>
  samples.map(sample => sample[metric] as number).filter(value => !Number.isNaN(value))

/** Ratio of two peers within each round. */
export function ratioOf ({ of }: Samples, metric: string, peer: string, base: string): Figure | undefined {
  const [above, below] = [of.get(peer), of.get(base)]
  if (above === undefined || below === undefined || above.length === 0) return undefined
  const [values, bases] = [valuesOf(above, metric), valuesOf(below, metric)]
  return values.length === bases.length && values.length > 0 ? ratio(values, bases) : undefined
}

/** Makes a table and verdicts of what was measured. */
export function compare ({ against }: Context, samples: Samples, { how, metrics, metric, bases, goals }: Comparison): Outcome {
  const columns = [...metrics, ...against === undefined ? bases.map(base => `/ ${base}`) : [`/ ${against.revision}`]]
  const verdicts: Verdict[] = []
  const lines = [...samples.of].map(([peer, rounds]) => {
    const cells: Record<string, Figure> = {}
    for (const name of metrics) {
      const values = valuesOf(rounds, name)
      if (values.length > 0) cells[name] = figure(values)
    }
    if (against === undefined) {
      for (const base of bases) {
        const share = ratioOf(samples, metric, peer, base)
        if (share !== undefined) cells[`/ ${base}`] = share
      }
    } else {
      const share = ratioOf(samples, metric, peer, `${peer} at ${against.revision}`)
      if (share !== undefined) {
        cells[`/ ${against.revision}`] = share
        verdicts.push({ what: `${peer} / ${against.revision}`, figure: share, unit: '' })
      }
    }
    return { peer, cells }
  })
  if (against === undefined) {
    for (const { of, to, target, what = `${of} / ${to}` } of goals) {
      const share = ratioOf(samples, metric, of, to)
      if (share !== undefined) verdicts.push({ what, figure: share, unit: '', target })
    }
  }
  return { how, columns, lines, verdicts, notes: samples.notes }
}

/** A figure of one peer that has a target of its own. */
export function goalOf (samples: Samples, peer: string, metric: string, unit: string, target: number, what = peer): Verdict[] {
  const values = valuesOf(samples.of.get(peer) ?? [], metric)
  return values.length === 0 ? [] : [{ what, figure: figure(values), unit, target }]
}
