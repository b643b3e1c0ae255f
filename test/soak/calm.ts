/** How the nodes were when nobody was there; one number for each node, in bytes. */
export interface Calm { at: number, heap: number[], code: number[], external: number[], rss: number[], descriptors: number[] }

/**
 * How much the heap of the first node grew, as a share: the median of the last third of the moments against that of the first
 * third, so that none that came in the middle of something decides.
 */
export function growth (calms: readonly Calm[], from: number): number {
  const heaps = calms.filter(({ at }) => at >= from).map(({ heap: [first = 0] }) => first)
  const few = Math.max(1, Math.floor(heaps.length / 3))
  return median(heaps.slice(-few)) / median(heaps.slice(0, few)) - 1
}

function median (values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = (sorted.length - 1) / 2
  return ((sorted[Math.floor(middle)] as number) + (sorted[Math.ceil(middle)] as number)) / 2
}
