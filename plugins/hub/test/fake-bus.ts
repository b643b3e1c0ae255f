import fc from 'fast-check'
import { type OrderMessage, Orders } from '../src/orders.js'

/** What happens to nodes on a bus that is as bad as a bus may be. */
export type Step =
  | { do: 'order', node: number }
  | { do: 'cut', node: number }
  | { do: 'mend', node: number }
  | { do: 'drop', share: number }
  | { do: 'delay', time: number }
  | { do: 'pass', time: number }
  | { do: 'pause', node: number, time: number }

const node = fc.nat(2)

const steps = fc.array(fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('order' as const), node }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('cut' as const), node }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('mend' as const), node }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('drop' as const), share: fc.constantFrom(0, 0.2, 0.5, 0.9) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('delay' as const), time: fc.constantFrom(0, 10, 500, 5_000) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('pass' as const), time: fc.constantFrom(1, 100, 1_000, 30_000) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('pause' as const), node, time: fc.constantFrom(100, 60_000) }) }
), { maxLength: 60 })

export const BEAT = 1_000

/** A node with a clock of its own that carries out orders. */
export class FakeNode {
  readonly name: string
  readonly orders: Orders
  /** Orders carried out, and for when. */
  readonly applied = new Map<string, number[]>()
  overflows = 0
  isCut = false
  /** How far its clock is ahead of that of the world. */
  ahead: number
  nextBeat: number

  constructor (world: FakeWorld, index: number, limit = 100_000) {
    this.name = `node ${index}`
    this.ahead = index * 12_345
    this.nextBeat = world.time + index
    this.orders = new Orders({
      node: this.name,
      beat: BEAT,
      limit,
      life: 24 * 3_600_000,
      now: () => world.time + this.ahead,
      send: (to, message) => world.send(this, to, message),
      apply: (body, given) => {
        const times = this.applied.get(body) ?? []
        this.applied.set(body, times)
        times.push(given - this.ahead)
        return 1
      },
      onOverflow: () => { this.overflows++ }
    })
  }
}

/** Some nodes, a bus that drops, delays, repeats and mixes messages, and a time that passes when a test says so. */
export class FakeWorld {
  readonly nodes: FakeNode[] = []
  readonly given = new Map<string, { by: FakeNode, at: number }>()
  time = 1_000_000
  share = 0
  delay = 0
  sent = 0
  readonly #random: () => number
  #messages: Array<{ at: number, to: FakeNode, from: FakeNode, message: OrderMessage }> = []

  constructor (random: () => number, nodes = 3, limit?: number) {
    this.#random = random
    for (let index = 0; index < nodes; index++) this.nodes.push(new FakeNode(this, index, limit))
  }

  /** Sends a message to one node, or to all. */
  send (from: FakeNode, to: string | null, message: OrderMessage): void {
    this.sent++
    for (const node of this.nodes) {
      if (node === from || (to !== null && node.name !== to)) continue
      const copies = this.#random() < this.share / 4 ? 2 : 1
      for (let copy = 0; copy < copies; copy++) {
        if (from.isCut || node.isCut || this.#random() < this.share) continue
        this.#messages.push({ at: this.time + Math.round(this.#random() * this.delay), to: node, from, message })
      }
    }
  }

  order (from: FakeNode): void {
    const body = JSON.stringify(`order ${this.given.size} of ${from.name}`)
    this.given.set(body, { by: from, at: this.time })
    const number = from.orders.give(body)
    this.send(from, null, { kind: 'order', number, age: 0, time: this.time + from.ahead, order: body })
  }

  /** Lets time pass, one message and one beat after the other. */
  pass (time: number): void {
    const end = this.time + time
    while (true) {
      const next = Math.min(...this.#messages.map(({ at }) => at), ...this.nodes.map(({ nextBeat }) => nextBeat))
      if (next > end) break
      this.time = Math.max(this.time, next)
      const due = this.#messages.filter(({ at }) => at <= this.time)
      this.#messages = this.#messages.filter(({ at }) => at > this.time)
      for (const { to, from, message } of due) {
        if (to.isCut) continue
        if (message.kind === 'order') to.orders.takeOrder(from.name, message)
        else to.orders.take(from.name, message)
      }
      for (const node of this.nodes) {
        if (node.nextBeat > this.time) continue
        node.nextBeat = this.time + BEAT
        node.orders.tick()
        this.send(node, null, node.orders.beat())
      }
    }
    this.time = end
  }

  run (step: Step): void {
    const node = 'node' in step ? this.nodes[step.node] as FakeNode : undefined
    switch (step.do) {
      case 'order': return this.order(node as FakeNode)
      case 'cut': (node as FakeNode).isCut = true; return
      case 'mend': (node as FakeNode).isCut = false; return
      case 'drop': this.share = step.share; return
      case 'delay': this.delay = step.time; return
      case 'pass': return this.pass(step.time)
      // Its machine stands still, and its clock with it.
      case 'pause': (node as FakeNode).ahead -= step.time; (node as FakeNode).nextBeat += step.time; return this.pass(step.time)
    }
  }

  /** All is well again, for long enough. */
  heal (): void {
    for (const node of this.nodes) node.isCut = false
    this.share = 0
    this.pass(this.delay)
    this.delay = 0
    this.pass(10 * BEAT)
  }
}

/** A generator of numbers that a seed decides (mulberry32). */
function seeded (seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0
    let value = Math.imul(seed ^ (seed >>> 15), 1 | seed)
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value
    return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Whatever a bus does, every node carries out every order, and for the time when it was given. */
export function checkOrders () {
  return fc.property(fc.integer(), steps, (seed, steps) => {
    const world = new FakeWorld(seeded(seed))
    world.pass(3 * BEAT)
    for (const step of steps) world.run(step)
    world.heal()
    // An order of before a pause is taken for younger than it is: nobody can know how long a machine stood still.
    const paused = steps.reduce((sum, step) => step.do === 'pause' ? sum + step.time + 10_000 : sum, 0)
    for (const node of world.nodes) {
      for (const [body, { by, at }] of world.given) {
        if (by === node) continue
        const times = node.applied.get(body)
        if (times === undefined) throw new Error(`${node.name} has lost ${body}`)
        // A later login must not be closed by it: only as much as a message takes on a bus that is well.
        const latest = Math.max(...times)
        if (latest > at + 1_000 + paused) throw new Error(`${node.name} took ${body} as given ${latest - at} ms later`)
        if (latest < at - 1_000) throw new Error(`${node.name} took ${body} as given ${at - latest} ms earlier`)
      }
      if (node.applied.size !== [...world.given.values()].filter(({ by }) => by !== node).length) throw new Error('an order of nobody')
    }
  })
}
