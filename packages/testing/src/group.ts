import { PATIENCE, turn, within } from './real-time.js'

/** The part of a connection that settles. */
interface Settling {
  readonly isOpen: boolean
  readonly flows: boolean
  roundTrip (options: { timeout: number }): Promise<void>
}

/** The part of a bus that settles. */
interface SettlingBus {
  settled (isOver: () => boolean): Promise<void>
}

/** What a message may go through on its way, more than once: from a client to a node, over a bus, to another node and to a client. */
const ROUNDS = 2

/** The part of a device that ends. */
interface Ending {
  /** The server that it talks to. */
  readonly host: object
  close (): Promise<void>
}

/** The connections, devices and buses of one test. */
export class Group {
  readonly connections = new Set<Settling>()
  readonly devices = new Set<Ending>()
  readonly buses = new Set<SettlingBus>()
  /** How long anything that is waited for may take, in milliseconds of real time. */
  readonly timeout: number

  constructor (timeout = PATIENCE) {
    this.timeout = timeout
  }

  /**
   * Waits until nothing is under way to one connection.
   *
   * @param timeout how long each round trip may take, and the buses
   */
  async settle (last: Settling, timeout: number): Promise<void> {
    for (let round = 0; round < ROUNDS; round++) {
      const others = [...this.connections].filter(connection => connection !== last && connection.isOpen && connection.flows)
      await Promise.all([...others, last].map(connection => connection.roundTrip({ timeout })))
      await turn()
      await this.#busesSettle(timeout)
      await turn()
    }
    await last.roundTrip({ timeout })
  }

  async #busesSettle (timeout: number): Promise<void> {
    const wait = { isOver: false }
    const settled = Promise.all([...this.buses].map(bus => bus.settled(() => wait.isOver)))
    await within(timeout, 'What is on the bus', settled).finally(() => { wait.isOver = true })
  }
}
