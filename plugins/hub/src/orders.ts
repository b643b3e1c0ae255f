import { inSlices, isThenable } from '@fastify-airlock/core'
import { LruMap } from 'toad-cache'
import type { HeardNode } from './node-watch.js'
import { OrderLog, type LoggedOrder } from './order-log.js'
import { PeerClock } from './peer-clock.js'

/** Beats of a node that may be missing before it counts as gone. */
const MAX_SILENT = 3

/** Time that a message may take, in milliseconds. An order that takes longer is asked for once more. */
const MAX_DELAY = 1_000

/** Nodes whose clocks are known. */
const MAX_CLOCKS = 1_000

/** Orders that came late of which it is remembered what they have closed. */
const MAX_EARLY = 1_000

/** Most orders, and characters of orders, of one message. */
const MAX_TOLD = 100
const MAX_TOLD_LENGTH = 64 * 1024

/** A message between nodes, as a bus carries it. */
export type OrderMessage = Record<string, string | number | boolean>

/** Another node. */
interface Peer {
  /** When it was heard last. */
  heard: number
  /** Time between two of its beats. */
  every: number
}

/** An order whose outcome somebody waits for. */
interface Wait {
  number: number
  /** Nodes that have not said what they did; with the time of the beat that has said that they have the order, `null` before. */
  missing: Map<string, number | null>
  closed: number
  nodes: number
  /** Takes what a node has found out, where that is what is waited for. */
  onAnswer: ((answer: string) => void) | undefined
  end: () => void
}

/** What became of an order. */
export interface OrderOutcome {
  /** Connections that other nodes have closed. */
  closed: number
  /** Other nodes that have carried it out. */
  nodes: number
}

/** Settings of {@link Orders}. */
export interface OrdersSettings {
  /** This node. */
  node: string
  /** Time between two beats, in milliseconds. */
  beat: number
  /** How many orders are kept. */
  limit: number
  /** How long an order is kept, in milliseconds. */
  life: number
  /** A monotonic clock, in milliseconds. */
  now: () => number
  /** Sends a message to one node. It may be lost. */
  send: (node: string, message: OrderMessage) => void
  /**
   * Carries out an order of another node. It may be called twice for an order that came late.
   *
   * @param given when the order was given, on the clock of this node
   * @returns how many connections were closed, or a promise of an answer that never rejects; `null` for what is no order
   */
  apply: (body: string, given: number) => number | null | Promise<string>
  /** Called when orders were dropped that nodes might still ask for. */
  onOverflow: () => void
}

/**
 * Brings orders to every node, each once, over a bus that may lose, delay and repeat messages.
 *
 * Each node numbers its orders. Its beat tells up to which number it knows the orders of each node, those of others
 * included. A node that finds a gap, at an order or at a beat, asks the node that gave the orders, or any node that knows
 * them when that one is gone. So an order is told again until it has arrived, and is lost only with the node that gave it,
 * before any other has it.
 */
export class Orders {
  readonly #settings: OrdersSettings
  readonly #log: OrderLog
  readonly #peers = new Map<string, Peer>()
  /** Kept for nodes that are not heard any more: they may come back, with messages that are late. */
  readonly #clocks = new LruMap<PeerClock>(MAX_CLOCKS)
  /** Until when a question about the orders of a node may be answered: it is not asked again before. */
  readonly #asked = new Map<string, number>()
  readonly #waits = new Set<Wait>()
  /** What was closed by orders that came late and will be carried out once more, by node and number. */
  readonly #early = new LruMap<number>(MAX_EARLY)
  #stopped = false
  #last = 0

  constructor (settings: OrdersSettings) {
    this.#settings = settings
    this.#log = new OrderLog(settings)
  }

  /** Whether orders had to be dropped that nodes might still ask for. */
  get overflowed (): boolean {
    return this.#log.overflowed
  }

  /** Other nodes that have been heard of late. */
  get peers (): number {
    return this.#peers.size
  }

  /** The nodes that have been heard of late, and when. */
  get heard (): HeardNode[] {
    return [...this.#peers].map(([id, peer]) => ({ id, ...peer }))
  }

  /** Keeps an order of this node, and returns its number. */
  give (body: string): number {
    const { node, now } = this.#settings
    this.#keep({ node, number: ++this.#last, given: now(), body })
    return this.#last
  }

  /** The orders of this node of the last `age` milliseconds, with their age. */
  recent (age: number): Array<LoggedOrder & { age: number }> {
    const { node, now } = this.#settings
    const time = now()
    return this.#log.after(node, 0).map(order => ({ ...order, age: time - order.given })).filter(order => order.age <= age)
  }

  /** What a beat of this node says. */
  beat (): OrderMessage {
    const { beat, now } = this.#settings
    return { kind: 'beat', time: now(), every: beat, have: JSON.stringify(this.#log.summary()) }
  }

  /**
   * Resolves when all nodes that are there now have carried out an order, or after `timeout` milliseconds.
   *
   * @param onAnswer called with the answer of each node. Then it is not enough that a node has the order
   */
  async outcome (number: number, timeout: number, onAnswer?: (answer: string) => void): Promise<OrderOutcome> {
    this.tick()
    const missing = new Map<string, number | null>([...this.#peers.keys()].map(node => [node, null]))
    if (missing.size === 0 || this.#stopped) return { closed: 0, nodes: 0 }
    return await new Promise<OrderOutcome>(resolve => {
      const wait: Wait = {
        number,
        missing,
        closed: 0,
        nodes: 0,
        onAnswer,
        end: () => {
          clearTimeout(timer)
          this.#waits.delete(wait)
          resolve({ closed: wait.closed, nodes: wait.nodes })
        }
      }
      const timer = setTimeout(wait.end, timeout)
      this.#waits.add(wait)
    })
  }

  /** Forgets nodes that are gone. To be called about once a beat. */
  tick (): void {
    const now = this.#settings.now()
    for (const [node, { heard, every }] of this.#peers) if (now - heard > every * MAX_SILENT) this.#forget(node)
  }

  /** Ends all waiting, from now on as well: what other nodes do is not told any more. */
  stopWaiting (): void {
    this.#stopped = true
    for (const { end } of this.#waits) end()
  }

  /**
   * Takes an order that a node has sent to all.
   *
   * @returns whether it is well-formed
   */
  takeOrder (from: string, { number, age, time, order }: Record<string, unknown>): boolean {
    if (!isCount(number) || number === 0 || !isTime(age) || !isTime(time) || typeof order !== 'string') return false
    const now = this.#settings.now()
    const clock = this.#clockOf(from)
    // What has waited in a broker, or comes from a clock that stood still, is taken at its word for now, and asked for.
    const delay = clock.observe(time, now)
    const wellFormed = this.#take({ node: from, number, given: clock.translate(time - age), body: order }, delay <= MAX_DELAY)
    if (this.#log.have(from) < number) this.#ask(from, from)
    return wellFormed
  }

  /**
   * Takes a beat, or a message to this node.
   *
   * @returns whether it is well-formed
   */
  take (from: string, message: Record<string, unknown>): boolean {
    switch (message.kind) {
      case 'beat': return this.#takeBeat(from, message)
      case 'ask': return this.#takeQuestion(from, message)
      case 'told': return this.#takeAnswer(from, message)
      case 'done': return this.#takeOutcome(from, message)
      default: return false
    }
  }

  #takeBeat (from: string, { time, every, have, gone }: Record<string, unknown>): boolean {
    if (gone === true) {
      this.#forget(from)
      return true
    }
    const summary = parse(have)
    if (!isTime(time) || !isTime(every) || !Array.isArray(summary)) return false
    const { node: self, now } = this.#settings
    this.#clockOf(from).observe(time, now())
    this.#peers.set(from, { heard: now(), every })
    for (const entry of summary) {
      const [issuer, number] = Array.isArray(entry) ? entry : []
      if (typeof issuer !== 'string' || !isCount(number)) return false
      if (issuer === self) this.#settleUpTo(from, number, time)
      // One node is enough to ask.
      else if (number > this.#log.have(issuer) && (issuer === from || !this.#peers.has(issuer))) this.#ask(from, issuer)
    }
    return true
  }

  #ask (node: string, issuer: string): void {
    const { now, beat, send } = this.#settings
    const time = now()
    if (time < (this.#asked.get(issuer) ?? -Infinity)) return
    this.#asked.set(issuer, time + beat / 2)
    send(node, { kind: 'ask', of: issuer, from: this.#log.have(issuer) + 1, asked: time })
  }

  #takeQuestion (from: string, { of, from: first, asked }: Record<string, unknown>): boolean {
    if (typeof of !== 'string' || !isCount(first) || !isTime(asked)) return false
    const last = this.#log.have(of)
    if (last < first) return true
    const chunks = split(this.#log.after(of, first - 1).filter(({ number }) => number <= last))
    let next = first
    inSlices(chunks.entries(), ([index, orders]) => {
      const { now, send } = this.#settings
      const time = now()
      const to = index === chunks.length - 1 ? last : (orders.at(-1) as LoggedOrder).number
      const told = orders.map(({ number, given, body }) => [number, time - given, body])
      send(from, { kind: 'told', of, from: next, to, asked, time, orders: JSON.stringify(told), more: to < last })
      next = to + 1
    })
    return true
  }

  #takeAnswer (from: string, { of, from: first, to, asked, time, orders, more }: Record<string, unknown>): boolean {
    const told = parse(orders)
    if (typeof of !== 'string' || !isCount(first) || !isCount(to) || !isTime(asked) || !isTime(time) || !Array.isArray(told)) return false
    const now = this.#settings.now()
    const clock = this.#clockOf(from)
    clock.observe(time, now)
    // This node has asked: nobody else knows better when.
    if (asked <= now) clock.correct(time, asked, now)
    let wellFormed = true
    for (const entry of told) {
      const [number, age, body] = Array.isArray(entry) ? entry : []
      if (!isCount(number) || !isTime(age) || typeof body !== 'string') return false
      if (!this.#take({ node: of, number, given: clock.translate(time - age), body }, true)) wellFormed = false
    }
    this.#log.cover(of, first, to)
    if (more === true) this.#asked.set(of, now + this.#settings.beat / 2)
    else this.#asked.delete(of)
    return wellFormed
  }

  #takeOutcome (from: string, { number, closed, answer }: Record<string, unknown>): boolean {
    if (!isCount(number) || !isCount(closed) || (answer !== undefined && typeof answer !== 'string')) return false
    for (const wait of this.#waits) {
      if (wait.number !== number) continue
      if (answer !== undefined && wait.missing.has(from)) wait.onAnswer?.(answer)
      this.#settle(wait, from, closed)
    }
    return true
  }

  /** Carries out an order unless it is known. */
  #take (order: LoggedOrder, isCertain: boolean): boolean {
    const { node: self, apply, send } = this.#settings
    const { node, number, body, given } = order
    if (node === self || this.#log.has(node, number)) return true
    const done = apply(body, given)
    const key = `${node} ${number}`
    if (isCertain) {
      // Kept even if this version does not understand it: others may ask for it.
      this.#keep(order)
      const report = (outcome: OrderMessage): void => {
        if (this.#peers.has(node)) send(node, { kind: 'done', number, closed: 0, ...outcome })
      }
      if (isThenable(done)) done.then(answer => report({ answer }))
      else report({ closed: (done ?? 0) + (this.#early.get(key) ?? 0) })
      this.#early.delete(key)
    } else if (typeof done === 'number' && done > 0) {
      this.#early.set(key, (this.#early.get(key) ?? 0) + done)
    }
    return done !== null
  }

  #keep (order: LoggedOrder): void {
    const before = this.#log.overflowed
    if (this.#log.add(order) && !before) this.#settings.onOverflow()
  }

  #settleUpTo (node: string, number: number, time: number): void {
    for (const wait of this.#waits) {
      if (wait.number > number || wait.onAnswer !== undefined || !wait.missing.has(node)) continue
      // What the node did is told beside the beat, and may come a moment later, or be lost.
      // A bus may bring the same beat twice.
      const first = wait.missing.get(node) ?? null
      if (first === null) wait.missing.set(node, time)
      else if (time > first) this.#settle(wait, node, 0)
    }
  }

  #settle (wait: Wait, node: string, closed: number): void {
    if (!wait.missing.delete(node)) return
    wait.nodes++
    wait.closed += closed
    if (wait.missing.size === 0) wait.end()
  }

  #clockOf (node: string): PeerClock {
    let clock = this.#clocks.get(node)
    if (clock === undefined) this.#clocks.set(node, clock = new PeerClock())
    return clock
  }

  #forget (node: string): void {
    this.#peers.delete(node)
    this.#asked.delete(node)
    for (const wait of this.#waits) {
      if (wait.missing.delete(node) && wait.missing.size === 0) wait.end()
    }
  }
}

/** Makes messages of orders: at least one, since what is not kept any more is over, and the answer says so. */
function split (orders: LoggedOrder[]): LoggedOrder[][] {
  let chunk: LoggedOrder[] = []
  const chunks = [chunk]
  let length = 0
  for (const order of orders) {
    length += order.body.length
    if (length > MAX_TOLD_LENGTH || chunk.length === MAX_TOLD) {
      chunks.push(chunk = [])
      length = order.body.length
    }
    chunk.push(order)
  }
  return chunks
}

function isCount (value: unknown): value is number {
  return Number.isSafeInteger(value) && value as number >= 0
}

function isTime (value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value < Infinity
}

function parse (text: unknown): unknown {
  try {
    return JSON.parse(text as string)
  } catch {
    return null
  }
}
