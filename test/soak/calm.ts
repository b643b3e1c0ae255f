/** How the nodes were when nobody was there; one number for each node, in bytes. */
export interface Calm { at: number, heap: number[], code: number[], external: number[], rss: number[], descriptors: number[] }

/**
 * How much the heap of the first node grew, as a share: the least of the last moments against the least of the first ones, so
 * that one that came in the middle of something does not decide.
 */
export function growth (calms: readonly Calm[], from: number): number {
  const heaps = calms.filter(({ at }) => at >= from).map(({ heap: [first = 0] }) => first)
  const few = Math.max(1, Math.floor(heaps.length / 3))
  return Math.min(...heaps.slice(-few)) / Math.min(...heaps.slice(0, few)) - 1
}
