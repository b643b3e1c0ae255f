/** Time in the tests of all packages: nothing waits for a real second, and nothing depends on one. */
import type { Test } from 'tap'

/** Waits until `condition` is true. If it never is, the test times out. */
export async function until (condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!await condition()) await new Promise(resolve => setTimeout(resolve, 2))
}

/** Replaces the clock of all deadlines, and the time of day, by ones that also run, but can be put forward. */
export function clock (t: Test): { ahead: number } {
  const [monotonic, wall] = [performance.now.bind(performance), Date.now]
  const set = { ahead: 0 }
  t.intercept(performance, 'now', { value: () => monotonic() + set.ahead })
  t.intercept(Date, 'now', { value: () => wall() + set.ahead })
  return set
}
