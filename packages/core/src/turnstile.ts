import { AsyncResource } from 'node:async_hooks'
import type { Server } from 'node:http'

/** Kinds of work that wait, the most urgent first: clients that are nearly in go before new ones. */
export const Turn = { FIRST_FRAME: 0, UPGRADE: 1, TICKET: 2 } as const
/** A kind of work that waits. */
export type Turn = typeof Turn[keyof typeof Turn]

/** Settings of a {@link Turnstile}. */
export interface TurnstileOptions {
  /**
   * Time for tasks in one turn of the event loop, in milliseconds. Everything else is served between two turns.
   * @default 10
   */
  slice?: number
  /**
   * Store operations that may be under way at once. At this number only first frames are let through.
   * @default 1000
   */
  maxUnderWay?: number
  /**
   * A monotonic clock, in milliseconds.
   * @default performance.now
   */
  now?: () => number
}

/**
 * Runs tasks one by one: at once while the current turn of the event loop has time left, otherwise in the following
 * turns, in order of arrival. When ten thousand clients come back together, connected clients are still served, and a
 * client that has passed one door reaches the next before many new ones are let in.
 */
export class Turnstile {
  readonly #slice: number
  readonly #maxUnderWay: number
  readonly #now: () => number
  readonly #queues: ReadonlyArray<Array<() => void>> = [[], [], []]
  #waiting = 0
  #spent = 0
  #underWay = 0
  #scheduled = false

  constructor ({ slice = 10, maxUnderWay = 1_000, now = (): number => performance.now() }: TurnstileOptions = {}) {
    this.#slice = slice
    this.#maxUnderWay = maxUnderWay
    this.#now = now
  }

  /** Tasks that wait for their turn. */
  get size (): number {
    return this.#waiting
  }

  /**
   * Runs a task now or in a later turn.
   *
   * @param task must not throw: nobody can catch an error of a task that runs later
   */
  enter (turn: Turn, task: () => void): void {
    this.#schedule()
    if (this.#waiting === 0 && this.#spent < this.#slice && this.#isOpen(turn)) return this.#run(task)
    this.#waiting++
    // Each task runs in the async context it came in, not in that of the first task of the turn.
    this.#queues[turn]?.push(AsyncResource.bind(task))
  }

  /** Notes that a task has started a store operation. */
  begin (): void {
    this.#underWay++
  }

  /** Notes that a store operation has ended: once for each {@link begin}. */
  end (): void {
    this.#underWay--
    if (this.#waiting > 0) this.#schedule()
  }

  #schedule (): void {
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(this.#endTurn)
  }

  readonly #endTurn = (): void => {
    this.#spent = 0
    this.#scheduled = false
    try {
      let last = 0
      while (this.#spent < this.#slice) {
        const turn = this.#mostUrgent()
        if (turn === -1) break
        this.#runNext(last = turn)
      }
      // One task of each less urgent kind, so that none waits forever.
      for (let turn = last + 1; turn < this.#queues.length; turn++) {
        if (this.#canRun(turn)) this.#runNext(turn)
      }
    } finally {
      if (this.#mostUrgent() !== -1) this.#schedule()
      else this.#spent = 0
    }
  }

  #run (task: () => void): void {
    const begin = this.#now()
    try {
      task()
    } finally {
      this.#spent += this.#now() - begin
    }
  }

  #isOpen (turn: number): boolean {
    return turn === Turn.FIRST_FRAME || this.#underWay < this.#maxUnderWay
  }

  #canRun (turn: number): boolean {
    return this.#queues[turn]?.length !== 0 && this.#isOpen(turn)
  }

  #mostUrgent (): number {
    return this.#queues.findIndex((_, turn) => this.#canRun(turn))
  }

  #runNext (turn: number): void {
    this.#waiting--
    this.#run(this.#queues[turn]?.shift() as () => void)
  }
}

const turnstiles = new WeakMap<object, Turnstile>()

/** Returns the turnstile that all plugins on a server share. */
export function turnstileOf (server: Server | object): Turnstile {
  let turnstile = turnstiles.get(server)
  if (turnstile === undefined) turnstiles.set(server, turnstile = new Turnstile())
  return turnstile
}
