/** The longest delay a timer takes, in milliseconds. A longer one fires at once. */
const LONGEST_TIMER = 2 ** 31 - 1

/** `setTimeout` for any number of milliseconds: also for `Infinity`, and for less than 0, of which Node 22 and later warn. */
export function later (ms: number, callback: () => void): ReturnType<typeof setTimeout> {
  return setTimeout(callback, Math.max(0, Math.min(ms, LONGEST_TIMER)))
}

/** Returns the time in milliseconds, on a monotonic clock. */
export function now (): number {
  return performance.now()
}
