import { setTimeout as sleep } from 'node:timers/promises'
import { OverBudget } from './errors.js'

/** How many requests may still be sent for one purpose. */
export interface Allowance {
  readonly left: number
  /**
   * Takes one, and waits for its turn.
   *
   * @throws {@link OverBudget} when none is left
   */
  take (): Promise<void>
}

/** Through which everything goes that is sent: it counts, and keeps the rate. */
export class Gate {
  readonly #interval: number
  #next = 0
  #sent = 0

  /** @param rate connections a second at most */
  constructor (rate: number) {
    this.#interval = 1_000 / rate
  }

  /** How many connections were opened. */
  get sent (): number {
    return this.#sent
  }

  /** @param most connections that it may take */
  allow (most: number): Allowance {
    let left = most
    return {
      get left () { return left },
      take: async () => {
        if (left === 0) throw new OverBudget(most)
        left--
        this.#sent++
        const now = performance.now()
        const turn = Math.max(now, this.#next)
        this.#next = turn + this.#interval
        if (turn > now) await sleep(turn - now)
      }
    }
  }
}
