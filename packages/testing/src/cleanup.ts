/**
 * What undoes something after a test: the `t` of tap (`teardown`) or of `node:test` (`after`), or the context of a test of Vitest
 * (`onTestFinished`).
 */
export type AfterTest =
  | { teardown (undo: () => unknown): unknown }
  | { after (undo: () => unknown): unknown }
  | { onTestFinished (undo: () => unknown): unknown }

/** Undoes something after the test, if there is one. */
export function afterTest (t: AfterTest | undefined, undo: () => unknown): void {
  if (t === undefined) return
  if ('teardown' in t) t.teardown(undo)
  else if ('after' in t) t.after(undo)
  else t.onTestFinished(undo)
}

/** Whether something can undo after a test. */
export function isAfterTest (value: unknown): value is AfterTest {
  // The context of Vitest is a function with members.
  return (typeof value === 'object' || typeof value === 'function') && value !== null &&
    ['teardown', 'after', 'onTestFinished'].some(name => typeof (value as Record<string, unknown>)[name] === 'function')
}
