import { type AfterTest, afterTest } from './cleanup.js'
import { WSA_TESTING_ERR_CLOCK } from './errors.js'
import { moment, turn } from './real-time.js'
import { until } from './until.js'

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
  /**
   * Whether the timers of `setInterval` stand still as well. Without it, they fire in real time.
   * @default true
   */
  intervals?: boolean
}

/** Options of the waits of a {@link StandingClock}. */
export interface ClockUntilOptions {
  /**
   * How long to wait, in milliseconds of real time.
   * @default 120000
   */
  timeout?: number
}

/** A clock that stands still until a test moves it. */
export interface StandingClock extends Disposable {
  /** Milliseconds that have passed. */
  readonly now: number
  /** Lets so many milliseconds pass at once, with every timer at its time. Nothing arrives meanwhile. */
  pass (milliseconds: number): void
  /**
   * Lets so many milliseconds pass in steps. What is under way arrives between two steps, such as the beats of nodes. A step without
   * a timer is left out.
   *
   * @param step milliseconds: the longest time that something may be late by
   * @default step 50
   */
  advance (milliseconds: number, step?: number): Promise<void>
  /**
   * Lets time pass in steps until something has happened. What is under way arrives between two steps.
   *
   * @param step milliseconds
   * @default step 50
   * @throws {@link WSA_TESTING_ERR_TIMEOUT} when it does not happen
   */
  until (condition: () => boolean, step?: number, options?: ClockUntilOptions): Promise<void>
  /** Puts the real clock back. Timers that have not fired never do. */
  restore (): void
}

interface Timer {
  id: number
  at: number
  /** What is added to the time at each turn of an interval; `null` for a timer that fires once. */
  every: number | null
  call: () => void
}

/** Long enough a wait for steps that are many. */
const CLOCK_PATIENCE = 120_000

/** Turns of the event loop in which what is under way in this process arrives: over a bus and back, and to a client. */
const TURNS = 10

/**
 * Replaces `performance.now`, `Date.now`, and all timers of `setTimeout` and `setInterval`, by those of a clock that only the test moves, for
 * client and server alike. Real is everything of Node itself, and what waits in this package. It is that of the whole process.
 *
 * @param t the test after which the real clock is back; without it, call `restore()`
 * @throws {@link WSA_TESTING_ERR_CLOCK} when another fake is in place
 */
export function standingClock (t?: AfterTest, { date = true, intervals = true }: StandingClockOptions = {}): StandingClock {
  const replacements = new Replacements(t)
  const { setTimeout: real, clearTimeout: clear, setInterval: realInterval } = globalThis
  const begun = Date.now()
  const timers = new Map<object, Timer>()
  let now = 0
  let ids = 0

  /** Adds a timer that looks like one of Node. */
  const add = (delay: number, every: number | null, call: () => void): object => {
    const entry = { id: ++ids, at: now + delay, every, call }
    const timer = {
      ref: () => timer,
      unref: () => timer,
      hasRef: () => true,
      refresh: () => {
        entry.at = now + delay
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
  }
  /** Node clears both kinds by either function. */
  const remove = (timer: object): void => { if (!timers.delete(timer)) clear(timer as NodeJS.Timeout) }
  /** The next timer that is due by a time. Of several at one time, the one that was set first. */
  const nextBy = (end: number): [object, Timer] | undefined => {
    let first: [object, Timer] | undefined
    for (const entry of timers) {
      const [, { at, id }] = entry
      if (at <= end && (first === undefined || at < first[1].at || (at === first[1].at && id < first[1].id))) first = entry
    }
    return first
  }

  replacements.replace(performance, 'now', () => now)
  if (date) replacements.replace(Date, 'now', () => begun + now)
  // With what hangs on the real one, such as the form that returns a promise.
  replacements.replace(globalThis, 'setTimeout', Object.assign(
    (call: (...args: unknown[]) => void, ms = 0, ...args: unknown[]) => add(ms > 0 ? ms : 0, null, () => { call(...args) }), real
  ))
  replacements.replace(globalThis, 'clearTimeout', remove)
  replacements.replace(globalThis, 'clearInterval', remove)
  if (intervals) {
    replacements.replace(globalThis, 'setInterval', Object.assign((call: (...args: unknown[]) => void, ms = 0, ...args: unknown[]) => {
      // As in Node: less than a millisecond is one.
      const every = ms >= 1 ? ms : 1
      return add(every, every, () => { call(...args) })
    }, realInterval))
  }

  const clock: StandingClock = {
    get now () { return now },
    pass (milliseconds) {
      const end = now + milliseconds
      for (let next = nextBy(end); next !== undefined; next = nextBy(end)) {
        const [timer, entry] = next
        now = Math.max(now, entry.at)
        if (entry.every === null) timers.delete(timer)
        else entry.at += entry.every
        entry.call()
      }
      now = end
    },
    async advance (milliseconds, step = 50) {
      const end = now + milliseconds
      await settle()
      while (clock.now < end) {
        const due = nextBy(end)?.[1].at ?? end
        clock.pass(Math.min(end, Math.max(due, now + step)) - now)
        await settle()
      }
    },
    async until (condition, step = 50, { timeout = CLOCK_PATIENCE } = {}) {
      await until(condition, undefined, { clock, step, timeout })
    },
    restore: () => replacements.restore(),
    [Symbol.dispose]: () => replacements.restore()
  }
  return clock
}

/** Lets arrive what is under way. */
async function settle (): Promise<void> {
  await moment()
  for (let turns = 0; turns < TURNS; turns++) await turn()
}
