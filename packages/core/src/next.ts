/**
 * What was thrown, as an error. A function may throw anything, and for Fastify's `done` an error that is empty is none: who
 * throws `undefined` would let in.
 */
export function asError (thrown: unknown): Error {
  if (typeof thrown === 'object' && thrown !== null) return thrown as Error
  return new Error(`Expected an Error to be thrown, not ${thrown === undefined || thrown === null ? String(thrown) : typeof thrown}`)
}

/** Whether a value has to be awaited. Any thenable counts: a promise of another library must not pass for a value. */
export function isThenable (value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | null | undefined)?.then === 'function'
}

/**
 * Runs the next step at once where the value is there, and after it has settled where it is a promise: a synchronous
 * answer costs no promise and no turn of the event loop.
 *
 * @returns what the step returns; a native promise where the value or the step is asynchronous
 */
export function next<T, R> (value: T | PromiseLike<T>, step: (value: T) => R | Promise<R>): R | Promise<R> {
  return isThenable(value) ? Promise.resolve(value as PromiseLike<T>).then(step) : step(value)
}
