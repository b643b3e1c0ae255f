import { useEffect, useState, useSyncExternalStore } from 'react'
import type { Store } from './store.js'

/** Returns the value of a store, and renders again when it changes. */
export function useStore<T> (store: Store<T>): T {
  return useSyncExternalStore(store.subscribe, store.get)
}

/**
 * Returns the time in milliseconds since the epoch. While `active`, it renders again at each interval.
 *
 * @param interval in milliseconds
 */
export function useNow (interval: number, active: boolean): number {
  const [now, setNow] = useState(Date.now)
  useEffect(() => {
    if (!active) return
    const tick = () => setNow(Date.now())
    tick()
    const timer = setInterval(tick, interval)
    return () => clearInterval(timer)
  }, [interval, active])
  return now
}

/** The result of a user's action, for a line of text below its controls. */
export interface Outcome {
  text: string
  bad: boolean
}

/** Runs actions and keeps the last result, so that the user sees every failure. */
export function useOutcome (initial = ''): [Outcome, (action: () => Promise<string> | string) => Promise<void>, (outcome: Outcome) => void] {
  const [outcome, setOutcome] = useState<Outcome>({ text: initial, bad: false })
  const run = async (action: () => Promise<string> | string) => {
    try {
      setOutcome({ text: await action(), bad: false })
    } catch (error) {
      setOutcome({ text: error instanceof Error ? error.message : String(error), bad: true })
    }
  }
  return [outcome, run, setOutcome]
}
