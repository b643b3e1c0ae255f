import { fits, type Match, show } from './match.js'
import { moment, PATIENCE, within } from './real-time.js'

/** The part of a `StandingClock` that lets time pass. */
export interface PassingClock {
  /** Lets so many milliseconds pass. */
  pass (milliseconds: number): void
}

/** Options of {@link until}. */
export interface UntilOptions {
  /**
   * How long to wait, in milliseconds of real time, whatever clock is in place.
   * @default 30000
   */
  timeout?: number
  /** A clock that stands still: it passes in steps between two looks, so that what waits for its time happens. */
  clock?: PassingClock
  /**
   * How far the clock goes between two looks, in milliseconds.
   * @default 50
   */
  step?: number
}

/** What a state should be: what {@link Match} means for a message, or another simple value. */
export type Wanted = Match | number | boolean | null

/**
 * Waits for a state that has no event. It looks every other millisecond of real time, whatever clock is in place; a standing clock goes on
 * only if it is given.
 *
 * @param look reads the state, or says whether it is there. What it throws or rejects with ends the wait
 * @param wanted the state that is waited for, as for `next`
 * @default wanted anything truthy
 * @returns the state that was waited for
 * @throws {@link WSA_TESTING_ERR_TIMEOUT} when it does not come; the message tells which state was seen last
 *
 * @example
 * await until(() => server.app.wsHub.count(), 0)
 * await until(() => audit.length > 2)
 * await until(async () => await database.rows(), { length: 1 }, { timeout: 60_000 })
 */
export async function until<T> (look: () => T | Promise<T>, wanted?: Wanted, options: UntilOptions = {}): Promise<T> {
  const { timeout = PATIENCE, clock, step = 50 } = options
  const progress = { last: 'nothing', isOver: false }
  const see = async (): Promise<T> => {
    const seen = await look()
    progress.last = show(seen)
    return seen
  }
  const isThere = (seen: T): boolean => wanted === undefined ? Boolean(seen) : fits(seen, wanted as Match)
  const watch = async (): Promise<T> => {
    let seen = await see()
    for (let looks = 1; !isThere(seen) && !progress.isOver; looks++) {
      // What arrives within a moment needs no time of the clock.
      if (clock !== undefined && looks % 2 === 0) clock.pass(step)
      else await moment()
      seen = await see()
    }
    return seen
  }
  const what = `What until waits for, ${wanted === undefined ? '' : `${show(wanted)} of `}${show(look)},`
  try {
    return await within(timeout, what, watch(), () => `Last seen: ${progress.last}`)
  } finally {
    progress.isOver = true
  }
}
