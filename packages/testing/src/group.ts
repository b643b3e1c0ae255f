import { PATIENCE, turn } from './real-time.js'

/** The part of a connection that settles. */
interface Settling {
  readonly isOpen: boolean
  readonly flows: boolean
  roundTrip (): Promise<void>
}

/** The part of a bus that settles. */
interface SettlingBus {
  settled (): Promise<void>
}

/** What a message may go through on its way, more than once: from a client to a node, over a bus, to another node and to a client. */
const ROUNDS = 2

/** The connections and buses of one test. */
export class Group {
  readonly connections = new Set<Settling>()
  readonly buses = new Set<SettlingBus>()
  /** How long anything that is waited for may take, in milliseconds of real time. */
  readonly timeout: number

  constructor (timeout = PATIENCE) {
    this.timeout = timeout
  }

  /** Waits until nothing is under way to one connection. */
  async settle (last: Settling): Promise<void> {
    for (let round = 0; round < ROUNDS; round++) {
      const others = [...this.connections].filter(connection => connection !== last && connection.isOpen && connection.flows)
      await Promise.all([...others, last].map(connection => connection.roundTrip()))
      await turn()
      await Promise.all([...this.buses].map(bus => bus.settled()))
      await turn()
    }
    await last.roundTrip()
  }
}
