import { FifoMap } from 'toad-cache'

interface Party<T> {
  readonly name: string
  readonly waiting: Set<T>
  running: number
}

/** One turn in so many is open to a party that has had one before. */
const ROUND = 4

/**
 * A share of the questions that may be asked at once, and the queue for it. The parties take turns, so that none waits
 * behind the many questions of another. Three of four turns are for parties that had nothing here before, the newest first.
 *
 * A party may have as many questions under way as it leaves free for others, or its part of the lane, whichever is more: if their
 * answers do not come, there is still room for a party that comes later. The party without a name has no such bound.
 */
export class Lane<T> {
  readonly #most: number
  readonly #parties = new Map<string, Party<T>>()
  /** The parties that wait, in the order of their turns. */
  readonly #turns = new Set<Party<T>>()
  /** Those of them that have had no turn yet. */
  readonly #newcomers = new FifoMap<Party<T>>(0)
  #running = 0
  #turn = 0

  /** @param most how many items may run at once */
  constructor (most: number) {
    this.#most = most
  }

  /** Number of items that run. */
  get running (): number {
    return this.#running
  }

  /** Number of parties that have items here. */
  get parties (): number {
    return this.#parties.size
  }

  /** Number of items of a party, waiting or running. */
  held (name: string): number {
    const party = this.#parties.get(name)
    return party === undefined ? 0 : party.waiting.size + party.running
  }

  /** Has an item wait. */
  add (item: T, name: string): void {
    let party = this.#parties.get(name)
    if (party === undefined) {
      this.#parties.set(name, party = { name, waiting: new Set(), running: 0 })
      this.#newcomers.set(name, party)
    }
    party.waiting.add(item)
    this.#turns.add(party)
  }

  /**
   * Takes the next item out of the queue; it runs until {@link finish} is called.
   *
   * @param free how many items more may run, in all lanes
   * @returns `undefined` if none waits that may run
   */
  next (free: number): T | undefined {
    const room = Math.min(free, this.#most - this.#running)
    if (room <= 0) return undefined
    const party = this.#nextParty(room)
    if (party === undefined) return undefined
    const [item] = party.waiting as Set<T> & Iterable<T>
    party.waiting.delete(item as T)
    party.running++
    this.#running++
    this.#newcomers.delete(party.name)
    // To the end, if anything is left.
    this.#turns.delete(party)
    if (party.waiting.size > 0) this.#turns.add(party)
    return item
  }

  /** Ends an item of this party that ran. */
  finish (name: string): void {
    const party = this.#parties.get(name) as Party<T>
    party.running--
    this.#running--
    this.#tidy(party)
  }

  /** Takes an item out of the queue. */
  withdraw (item: T, name: string): void {
    const party = this.#parties.get(name) as Party<T>
    party.waiting.delete(item)
    this.#tidy(party)
  }

  /**
   * Takes the oldest item of the party with the longest queue out of it.
   *
   * @param than how long the longest queue may be that is left alone
   * @returns `undefined` if no queue is longer
   */
  shed (than: number): T | undefined {
    let longest: Party<T> | undefined
    let length = than
    for (const party of this.#turns) {
      if (party.waiting.size <= length) continue
      longest = party
      length = party.waiting.size
    }
    if (longest === undefined) return undefined
    const [item] = longest.waiting
    this.withdraw(item as T, longest.name)
    return item
  }

  #nextParty (room: number): Party<T> | undefined {
    // One that has just come has nothing running, so it may run.
    const newest = this.#newcomers.last as { value: Party<T> } | null
    this.#turn = (this.#turn + 1) % ROUND
    if (this.#turn !== 0 && newest !== null) return newest.value
    const most = Math.max(room, Math.floor(this.#most / (this.#parties.size + 1)))
    // Few are passed over: only those with something that runs.
    for (const party of this.#turns) {
      if (party.running < most || party.name === '') return party
    }
    return undefined
  }

  #tidy (party: Party<T>): void {
    if (party.waiting.size > 0) return
    this.#turns.delete(party)
    this.#newcomers.delete(party.name)
    if (party.running === 0) this.#parties.delete(party.name)
  }
}
