import { LONGEST_TIMER } from './limits.js'

/**
 * Creates a timer that has at most one deadline: each call takes that of the call before away.
 *
 * @returns sets it: `setTimeout` for any number of milliseconds, also for less than 0, of which Node 22 and later warn. Without
 *   a number, and for more than about 25 days, `Infinity` among them, there is none any more
 */
export function createTimer (): (ms?: number, callback?: () => void) => void {
  let id: ReturnType<typeof setTimeout> | undefined
  return (ms, callback) => {
    clearTimeout(id)
    if (ms! <= LONGEST_TIMER) id = setTimeout(callback!, Math.max(0, ms!))
  }
}

/** Returns the time in milliseconds, on a monotonic clock. */
export function now (): number {
  return performance.now()
}
