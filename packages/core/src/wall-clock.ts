/** By how much the two clocks may seem to differ from before although neither was set, in milliseconds: one of them counts in whole ones. */
const TOLERANCE = 5

/** The time of day at the origin of the monotonic clock, in milliseconds since the epoch. */
let origin = Date.now() - performance.now()

function synchronize (): number {
  const before = performance.now()
  const found = Date.now() - before
  // Unless the process was interrupted between the two.
  if (Math.abs(found - origin) > TOLERANCE && performance.now() - before < 1) origin = found
  return origin
}

/**
 * Translates a time of this process into one that other processes understand.
 *
 * @param time in milliseconds of `performance.now()`
 * @returns in milliseconds since the epoch, as exact as the argument: within a process, order and distance stay
 */
export function toWallTime (time: number): number {
  return time + synchronize()
}

/** Undoes {@link toWallTime}, of this process or of another: then as well as the clocks of their machines agree. */
export function fromWallTime (time: number): number {
  return time - synchronize()
}
