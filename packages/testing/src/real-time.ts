import { WSA_TESTING_ERR_TIMEOUT } from './errors.js'

/** Timers and the clock as they were when this was loaded: a fake clock moves those of the application, and never ours. */
const { setTimeout: later, clearTimeout: cancel, setImmediate: next, setInterval: again, clearInterval: stop } = globalThis

/** The monotonic clock, in milliseconds. */
export const now = performance.now.bind(performance)

/** How long something that does come may take on a busy machine, in milliseconds. */
export const PATIENCE = 30_000

/** Between two looks, in milliseconds. */
const LOOK = 2

/** Calls back in the next turn of the event loop. */
export function soon (call: () => void): void {
  next(call)
}

/** Lets the event loop turn. */
export async function turn (): Promise<void> {
  await new Promise<void>(resolve => soon(resolve))
}

/** Waits for a moment of real time. */
export async function moment (): Promise<void> {
  await new Promise(resolve => later(resolve, LOOK))
}

/** Calls back after real milliseconds. Returns what calls it off. */
export function inTime (milliseconds: number, call: () => void): () => void {
  const timer = later(call, milliseconds)
  return () => cancel(timer)
}

/** Calls back every so many real milliseconds. Returns what ends it. */
export function every (milliseconds: number, call: () => void): () => void {
  const timer = again(call, milliseconds)
  return () => stop(timer)
}

/**
 * Waits for something, for so many milliseconds. Meanwhile the process does not end, even if nothing but streams in memory is left.
 *
 * @param seen what to say in the error of what there was in its place
 * @throws {@link WSA_TESTING_ERR_TIMEOUT} when it does not come
 */
export async function within<T> (
  milliseconds: number, what: string, promise: Promise<T>, seen = (): string => 'What has come: nothing'
): Promise<T> {
  let callOff!: () => void
  const late = new Promise<never>((_resolve, reject) => {
    callOff = inTime(milliseconds, () => { reject(new WSA_TESTING_ERR_TIMEOUT(what, milliseconds, seen())) })
  })
  return await Promise.race([promise, late]).finally(callOff)
}
