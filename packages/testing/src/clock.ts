import { type AfterTest, afterTest } from './cleanup.js'
import { WSA_TESTING_ERR_CLOCK } from './errors.js'
import { moment } from './real-time.js'

/** Puts things in the place of others, and back. */
class Replacements {
  static #inPlace: Replacements | null = null
  readonly #undo: Array<() => void> = []

  constructor (t: AfterTest | undefined) {
    if (Replacements.#inPlace !== null) throw new WSA_TESTING_ERR_CLOCK()
    Replacements.#inPlace = this
    afterTest(t, () => this.restore())
  }

  replace (owner: object, name: string, value: unknown): void {
    const own = Object.getOwnPropertyDescriptor(owner, name)
    Object.defineProperty(owner, name, { value, configurable: true, writable: true })
    this.#undo.push(() => {
      if (own === undefined) delete (owner as Record<string, unknown>)[name]
      else Object.defineProperty(owner, name, own)
    })
  }

  restore (): void {
    for (const undo of this.#undo.splice(0)) undo()
    if (Replacements.#inPlace === this) Replacements.#inPlace = null
  }
}

/** A clock that runs, and that a test puts forward. */
export interface RunningClock extends Disposable {
  /** How far it is ahead of the real one, in milliseconds. A test may set it. */
  ahead: number
  /** Puts it forward. */
  forward (milliseconds: number): void
  /** Puts the real clock back. */
  restore (): void
}

/**
 * Replaces `performance.now` and `Date.now` by clocks that also run, but can be put forward: for whatever reads them, such as the
 * deadlines of all plugins, tickets and JWTs. Timers are real. It is that of the whole process.
 *
 * @param t the test after which the real clock is back; without it, call `restore()`
 * @throws {@link WSA_TESTING_ERR_CLOCK} when another fake is in place
 */
export function runningClock (t?: AfterTest): RunningClock {
  const replacements = new Replacements(t)
  const [monotonic, wall] = [performance.now.bind(performance), Date.now]
  const clock: RunningClock = {
    ahead: 0,
    forward: milliseconds => { clock.ahead += milliseconds },
    restore: () => replacements.restore(),
    [Symbol.dispose]: () => replacements.restore()
  }
  replacements.replace(performance, 'now', () => monotonic() + clock.ahead)
  replacements.replace(Date, 'now', () => wall() + clock.ahead)
  return clock
}

/** Options of {@link standingClock}. */
export interface StandingClockOptions {
  /**
   * Whether `Date.now` stands still as well. Without it, the time of day is the real one.
   * @default true
   */
  date?: boolean
}

/** A clock that stands still until a test moves it. */
export interface StandingClock extends Disposable {
  /** Milliseconds that have passed. */
  readonly now: number
  /** Lets so many milliseconds pass at once, with every timer at its time. Nothing arrives meanwhile. */
  pass (milliseconds: number): void
  /**
   * Lets time pass in steps until something has happened. What is under way arrives between two steps.
   *
   * @param step milliseconds
   * @default step 50
   */
  until (condition: () => boolean, step?: number): Promise<void>
  /** Puts the real clock back. Timers that have not fired never do. */
  restore (): void
}

interface Timer {
  id: number
  at: number
  call: () => void
}

/**
 * Replaces `performance.now`, `Date.now` and all timers of `setTimeout` by those of a clock that only the test moves, for client and
 * server alike. Real are intervals, which look at the clock often, and everything of Node itself. It is that of the whole process.
 *
 * @param t the test after which the real clock is back; without it, call `restore()`
 * @throws {@link WSA_TESTING_ERR_CLOCK} when another fake is in place
 */
export function standingClock (t?: AfterTest, { date = true }: StandingClockOptions = {}): StandingClock {
  const replacements = new Replacements(t)
  const { setTimeout: real, clearTimeout: clear } = globalThis
  const begun = Date.now()
  const timers = new Map<object, Timer>()
  let now = 0
  let ids = 0

  replacements.replace(performance, 'now', () => now)
  if (date) replacements.replace(Date, 'now', () => begun + now)
  // With what hangs on the real one, such as the form that returns a promise.
  replacements.replace(globalThis, 'setTimeout', Object.assign((call: (...args: unknown[]) => void, ms = 0, ...args: unknown[]) => {
    const due = (): number => now + (ms > 0 ? ms : 0)
    const entry = { id: ++ids, at: due(), call: () => { call(...args) } }
    const timer = {
      ref: () => timer,
      unref: () => timer,
      hasRef: () => true,
      refresh: () => {
        entry.at = due()
        timers.set(timer, entry)
        return timer
      },
      close: () => {
        timers.delete(timer)
        return timer
      },
      [Symbol.dispose]: () => { timers.delete(timer) }
    }
    timers.set(timer, entry)
    return timer
  }, real))
  replacements.replace(globalThis, 'clearTimeout', (timer: object) => { if (!timers.delete(timer)) clear(timer as NodeJS.Timeout) })

  const clock: StandingClock = {
    get now () { return now },
    pass (milliseconds) {
      const end = now + milliseconds
      while (true) {
        const [next] = [...timers].filter(([, { at }]) => at <= end).sort(([, a], [, b]) => a.at - b.at || a.id - b.id)
        if (next === undefined) break
        timers.delete(next[0])
        now = Math.max(now, next[1].at)
        next[1].call()
      }
      now = end
    },
    async until (condition, step = 50) {
      while (!condition()) {
        await moment()
        if (!condition()) clock.pass(step)
      }
    },
    restore: () => replacements.restore(),
    [Symbol.dispose]: () => replacements.restore()
  }
  return clock
}
