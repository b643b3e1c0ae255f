import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'

/**
 * A clock that only the test moves, for client and server alike: `performance` and all timers of `setTimeout` follow it.
 * Real are intervals, which look at the clock often, and everything of Node itself.
 */
export class VirtualClock {
  now = 0
  #id = 0
  readonly #timers = new Map<object, { id: number, at: number, call: () => void }>()

  constructor (t: Test) {
    const { setTimeout: real, clearTimeout: clear } = globalThis
    t.intercept(performance, 'now', { value: () => this.now })
    t.intercept(globalThis, 'setTimeout', {
      value: Object.assign((call: (...args: unknown[]) => void, ms = 0, ...args: unknown[]) => {
        const timer = { ref: () => timer, unref: () => timer, hasRef: () => true, refresh: () => timer }
        this.#timers.set(timer, { id: ++this.#id, at: this.now + ms, call: () => { call(...args) } })
        return timer
      }, real)
    })
    t.intercept(globalThis, 'clearTimeout', {
      value: (timer: object) => { if (!this.#timers.delete(timer)) clear(timer as NodeJS.Timeout) }
    })
  }

  /** Lets so many milliseconds pass at once, with every timer at its time. Nothing arrives meanwhile. */
  pass (ms: number): void {
    const end = this.now + ms
    while (true) {
      const next = [...this.#timers].filter(([, { at }]) => at <= end).sort(([, a], [, b]) => a.at - b.at || a.id - b.id)[0]
      if (next === undefined) break
      this.#timers.delete(next[0])
      this.now = Math.max(this.now, next[1].at)
      next[1].call()
    }
    this.now = end
  }

  /** Lets time pass in steps until something has happened. What is under way arrives between two steps. */
  async until (condition: () => boolean, step = 50): Promise<void> {
    while (!condition()) {
      await sleep(2)
      if (!condition()) this.pass(step)
    }
  }
}

/** Waits until something has happened, while the clock stands still. */
export async function happens (condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(2)
}
