/**
 * Returns a random wait before attempt `n` in a row: exponential back-off with full jitter. Clients that lost their
 * server at the same moment come back at different moments.
 *
 * @param n counts from 0
 * @param min ceiling of the first wait, in milliseconds
 * @param max ceiling of every wait, in milliseconds
 * @param random returns a number from 0 up to, but not including, 1
 * @see https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
 */
export function backoff (n: number, settings: { min: number, max: number, random: () => number }): number {
  return settings.random() * Math.min(settings.max, settings.min * 2 ** n)
}
