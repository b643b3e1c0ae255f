/** An order of some node, as it is kept. */
export interface LoggedOrder {
  /** The node that gave it. */
  node: string
  /** Counts the orders of that node, from 1 on. */
  number: number
  /** When it was given, on the monotonic clock of this node, in milliseconds. */
  given: number
  /** What it says, as JSON text. */
  body: string
}

/** What is known of the orders of one node. */
interface Issuer {
  /** All orders up to this number are known. */
  have: number
  orders: Map<number, LoggedOrder>
}

/** Settings of an {@link OrderLog}. */
export interface OrderLogSettings {
  /** This node. */
  node: string
  /** How many orders are kept. */
  limit: number
  /** How long an order is kept, in milliseconds. */
  life: number
  /** A monotonic clock, in milliseconds. */
  now: () => number
}

/**
 * The orders of all nodes, each once, so that every node can tell another one what it has missed, also after the node that
 * gave the order is gone.
 */
export class OrderLog {
  readonly #settings: OrderLogSettings
  readonly #issuers = new Map<string, Issuer>()
  /** All orders, the oldest first. */
  readonly #orders = new Set<LoggedOrder>()
  #overflowUntil = -Infinity

  constructor (settings: OrderLogSettings) {
    this.#settings = settings
  }

  /** Whether orders had to be dropped that nodes might still ask for. */
  get overflowed (): boolean {
    return this.#settings.now() < this.#overflowUntil
  }

  /** The number of the last order of a node up to which all are known; 0 for none. */
  have (node: string): number {
    return this.#issuers.get(node)?.have ?? 0
  }

  /** Whether an order is known. */
  has (node: string, number: number): boolean {
    const issuer = this.#issuers.get(node)
    return issuer !== undefined && (number <= issuer.have || issuer.orders.has(number))
  }

  /** The nodes whose orders are kept, with {@link have}. */
  summary (): Array<[node: string, have: number]> {
    this.#tidy()
    return [...this.#issuers].map(([node, { have }]) => [node, have])
  }

  /**
   * Keeps an order that is not known yet.
   *
   * @returns whether others had to be dropped for it
   */
  add (order: LoggedOrder): boolean {
    const issuer = this.#issuerOf(order.node)
    issuer.orders.set(order.number, order)
    this.#orders.add(order)
    this.#advance(issuer)
    return this.#tidy()
  }

  /** Notes that all orders from one number to another are known, or can no longer be found out. */
  cover (node: string, from: number, to: number): void {
    const issuer = this.#issuerOf(node)
    if (from > issuer.have + 1) return
    issuer.have = Math.max(issuer.have, to)
    this.#advance(issuer)
  }

  /** The orders of a node that are kept and newer than `number`, by number. */
  after (node: string, number: number): LoggedOrder[] {
    this.#tidy()
    const orders = [...this.#issuers.get(node)?.orders.values() ?? []].filter(order => order.number > number)
    return orders.sort((a, b) => a.number - b.number)
  }

  #issuerOf (node: string): Issuer {
    let issuer = this.#issuers.get(node)
    if (issuer === undefined) this.#issuers.set(node, issuer = { have: 0, orders: new Map() })
    return issuer
  }

  #advance (issuer: Issuer): void {
    while (issuer.orders.has(issuer.have + 1)) issuer.have++
  }

  /** Drops what is too old or too much. */
  #tidy (): boolean {
    const { limit, life, now } = this.#settings
    const time = now()
    let dropped = false
    for (const order of this.#orders) {
      const end = order.given + life
      if (end > time) {
        if (this.#orders.size <= limit) break
        dropped = true
        this.#overflowUntil = Math.max(this.#overflowUntil, end)
      }
      this.#orders.delete(order)
      const { orders } = this.#issuerOf(order.node)
      orders.delete(order.number)
      // Of this node the number has to go on.
      if (orders.size === 0 && order.node !== this.#settings.node) this.#issuers.delete(order.node)
    }
    return dropped
  }
}
