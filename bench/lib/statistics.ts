/** The value below which `share` of the values lie. */
export function quantile (values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  const position = (sorted.length - 1) * share
  const below = sorted[Math.floor(position)] as number
  const above = sorted[Math.ceil(position)] as number
  return below + (above - below) * (position % 1)
}

/** Median and the middle 80 % of some rounds, as `1.23 (1.20-1.27)`. */
export function spread (values: readonly number[], digits = 2): string {
  const [low, middle, high] = [0.1, 0.5, 0.9].map(share => quantile(values, share).toFixed(digits))
  return `${middle} (${low}-${high})`
}

/** `items`, starting at another one each round, so that no variant always comes first. */
export function rotate<T> (items: readonly T[], round: number): T[] {
  const start = round % items.length
  return [...items.slice(start), ...items.slice(0, start)]
}
