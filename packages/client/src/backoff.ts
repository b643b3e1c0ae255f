/** The longest time that a timer can be set to, in milliseconds: anything above fires at once. */
const LONGEST_TIMER = 2 ** 31 - 1

/**
 * A time to wait before attempt `n` in a row: exponential with full jitter, so that clients which lost their server at
 * the same moment do not come back at the same moment.
 *
 * @param n from 0 upward
 * @param min ceiling of the first wait, in milliseconds
 * @param max ceiling of every wait, in milliseconds
 * @param random from 0 up to, but not, 1
 * @see https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
 */
export function backoff (n: number, { min, max, random }: { min: number, max: number, random: () => number }): number {
  return random() * Math.min(max, min * 2 ** n)
}

/** `setTimeout` for any number of milliseconds, `Infinity` too. */
export function later (ms: number, callback: () => void): ReturnType<typeof setTimeout> {
  return setTimeout(callback, Math.min(ms, LONGEST_TIMER))
}

/** Milliseconds on a clock that is never set. */
export function now (): number {
  return performance.now()
}
