/** A median and what stands around it. */
export interface Figure { median: number, q1: number, q3: number }

/** The value below which `share` of the values lie. */
export function quantile (values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  const position = (sorted.length - 1) * share
  const below = sorted[Math.floor(position)] as number
  const above = sorted[Math.ceil(position)] as number
  return below + (above - below) * (position % 1)
}

/** Median and quartiles of some rounds. */
export function figure (values: readonly number[]): Figure {
  return { median: quantile(values, 0.5), q1: quantile(values, 0.25), q3: quantile(values, 0.75) }
}

/** Median and quartiles of the ratios within each round: what slows the machine down for a while slows both down. */
export function ratio (values: readonly number[], base: readonly number[]): Figure {
  return figure(values.map((value, round) => value / (base[round] as number)))
}

/** `items`, starting at another one each round, so that none always comes first. */
export function rotate<T> (items: readonly T[], round: number): T[] {
  const start = round % items.length
  return [...items.slice(start), ...items.slice(0, start)]
}

const number = (value: number): string =>
  value.toFixed(Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2)

/** A figure as `1.23 [1.20..1.27]`; one that was measured once has no quartiles. */
export function show ({ median, q1, q3 }: Figure): string {
  return q1 === q3 ? number(median) : `${number(median)} [${number(q1)}..${number(q3)}]`
}
