import type { Outages, Part } from './outages.js'
import { TICKET_LIFE } from './settings.js'

/** How an attempt to redeem a ticket ended: a status, or 0 where there was no answer. */
export interface Presentation { from: number, to: number, status: number, node: number }

export interface Ticket {
  value: string
  subject: string
  session: string
  issuer: number
  /** When the request began, and when the answer had come. */
  asked: number
  answered: number
  presented: Presentation[]
}

/** What has become of a ticket. */
export const FATES = ['redeemed', 'unused', 'expired', 'revoked', 'uncertain', 'lost'] as const

export interface Order {
  reason: string
  subject: string
  session?: string | undefined
  /** A topic that is taken away; without it connections are closed. */
  topic?: string | undefined
  giver: number
  at: number
  /** When the node had answered; `Infinity` where it has not. */
  done: number
  /** Connections on which it has to be seen yet. */
  waiting: Set<Connection>
}

/** A connection as its client knows it, from the request of its ticket on. */
export interface Connection {
  ticket: Ticket
  node: number
  room: string
  /** Whether it is through all doors. */
  isOpen: boolean
  /** Whether messages of other nodes are complete. */
  isReady: boolean
  /** Topics that were taken from it. */
  left: Set<string>
  last: Map<string, { n: number, at: number, isReady: boolean }>
  echoes: number
}

/** A message that a node has numbered. */
export interface Numbered { node: string, topic: string, n: number, at: number }

/** Every ticket, order and message of a soak, and what has become of it. */
export class Ledger {
  readonly outages: Outages
  readonly violations: string[] = []
  readonly fates = Object.fromEntries(FATES.map(fate => [fate, 0])) as Record<typeof FATES[number], number>
  readonly orders = { given: 0, carriedOut: 0, onAllNodes: 0, unanswered: 0, closed: 0, left: 0 }
  readonly messages = { received: 0, own: 0, echoes: 0, excused: 0, early: 0 }
  readonly connections = { opened: 0, closes: {} as Record<string, number>, statuses: {} as Record<string, number> }
  /** Tickets that were issued, and whose use is over. */
  settled = 0
  /** Redeemed since the store was last looked at. */
  redeemed: Ticket[] = []
  readonly #live = new Set<Connection>()
  #open: Order[] = []
  /** Orders of the last minutes by subject. */
  readonly #recent: Order[] = []

  constructor (outages: Outages) {
    this.outages = outages
  }

  violation (what: string): void {
    console.log(`# VIOLATION at ${new Date().toISOString()}: ${what}`)
    this.violations.push(what)
  }

  /** Counts a ticket whose use is over. */
  settle (ticket: Ticket): void {
    const { presented, asked, answered } = ticket
    this.settled++
    const admitted = presented.filter(({ status }) => status === 101)
    if (admitted.length > 1) this.violation(`a ticket was redeemed ${admitted.length} times: ${JSON.stringify(presented)}`)
    for (const { from } of admitted) if (from >= answered + TICKET_LIFE) this.violation(`a ticket was redeemed ${from - answered} ms after its issue`)
    this.fates[this.#fate(ticket, admitted.length)]++
    if (admitted.length > 0) this.redeemed.push(ticket)
    for (const { status } of presented) count(this.connections.statuses, String(status))
    // Everything that was answered after this one began is known by now, or will be.
    while (this.#recent.length > 0 && (this.#recent[0] as Order).done < asked - 300_000) this.#recent.shift()
  }

  #fate (ticket: Ticket, admitted: number): typeof FATES[number] {
    const { presented, asked, issuer, subject, session } = ticket
    if (admitted > 0) return 'redeemed'
    if (presented.length === 0) return 'unused'
    const end = Math.max(...presented.map(({ to }) => to))
    if (presented.every(({ to }) => to >= asked + TICKET_LIFE)) return 'expired'
    if (this.#recent.some(order => order.topic === undefined && order.done >= asked && order.at <= end && means(order, subject, session))) return 'revoked'
    const parts: Part[] = ['store', issuer, ...presented.map(({ node }) => node)]
    // Anything but 401 says that the server could not find out.
    if (presented.some(({ status }) => status !== 401) || this.outages.touches(parts, asked, end)) return 'uncertain'
    this.violation(`a ticket was lost: ${JSON.stringify({ asked, presented })}`)
    return 'lost'
  }

  begin (connection: Connection): void { this.#live.add(connection) }

  opened (connection: Connection): void {
    if (connection.isOpen) this.violation('auth_ok came twice')
    connection.isOpen = true
    this.connections.opened++
  }

  ended (connection: Connection, code: number, reason: string): void {
    this.#live.delete(connection)
    for (const order of this.#open) this.#seen(order, connection)
    const byOrder = reason.startsWith('order ')
    if (connection.isOpen || code !== 1006) count(this.connections.closes, byOrder ? `${code} order` : `${code}${reason === '' ? '' : ` ${reason.slice(0, 24)}`}`)
    if (!byOrder) {
      if (code === 4403) this.violation(`a connection was closed with 4403 ${reason}, by no order`)
      return
    }
    const order = this.#recent.find(order => order.reason === reason)
    const { subject, session, asked } = connection.ticket
    if (order === undefined || !means(order, subject, session)) this.violation(`${reason} has closed a connection of ${subject}, whom it does not mean`)
    else if (order.session === undefined && asked > order.done) this.violation(`${reason} has closed a connection that began ${asked - order.done} ms later`)
    this.orders.closed++
  }

  /** Notes an order that is about to be given. */
  give (order: Pick<Order, 'subject' | 'session' | 'topic' | 'giver'>): Order {
    const given: Order = { ...order, reason: `order ${++this.orders.given}`, at: Date.now(), done: Infinity, waiting: new Set() }
    for (const connection of this.#live) {
      const { subject, session, answered } = connection.ticket
      const isOn = order.topic === undefined ? answered < given.at : connection.isReady && `room/${connection.room}` === order.topic && !connection.left.has(order.topic)
      if (isOn && means(given, subject, session)) given.waiting.add(connection)
    }
    this.#open.push(given)
    this.#recent.push(given)
    return given
  }

  /** Notes the answer of the node that was told an order; `null` where there was none, so that it may be lost with its node. */
  answered (order: Order, answer: { nodes: number } | null, nodes: number): void {
    if (answer === null) {
      this.orders.unanswered++
      this.#open = this.#open.filter(other => other !== order)
      return
    }
    order.done = Date.now()
    if (answer.nodes === nodes) this.orders.onAllNodes++
    if (order.waiting.size === 0) this.#finish(order)
  }

  left (connection: Connection, topic: string): void {
    connection.left.add(topic)
    this.orders.left++
    for (const order of this.#open) if (order.topic === topic && means(order, connection.ticket.subject, connection.ticket.session)) this.#seen(order, connection)
  }

  #seen (order: Order, connection: Connection): void {
    order.waiting.delete(connection)
    if (order.waiting.size === 0 && order.done !== Infinity) this.#finish(order)
  }

  #finish (order: Order): void {
    if (!this.#open.includes(order)) return
    this.#open = this.#open.filter(other => other !== order)
    this.orders.carriedOut++
  }

  /** Orders that have not been seen everywhere. */
  get openOrders (): readonly Order[] { return this.#open }

  /** A session of somebody who is there. */
  sessionOf (subject: string): string | undefined {
    for (const { ticket } of this.#live) if (ticket.subject === subject) return ticket.session
    return undefined
  }

  /** Takes a message of a node that a client got. */
  message (connection: Connection, { node, topic, n, at }: Numbered): void {
    if (!connection.isOpen) this.violation('a message came before auth_ok')
    if (topic !== 'all' && (topic !== `room/${connection.room}` || connection.left.has(topic))) this.violation(`a message of ${topic} came to one that is not in it`)
    const key = `${node} ${topic}`
    const last = connection.last.get(key)
    const publisher = Number(node.split('.')[0])
    connection.last.set(key, { n, at, isReady: connection.isReady })
    this.messages.received++
    if (publisher === connection.node) this.messages.own++
    if (last === undefined || n === last.n + 1) return
    const what = `message ${n} of ${key} after ${last.n} on node ${connection.node}`
    if (n <= last.n) this.violation(`${what}: twice, or out of order`)
    else if (publisher === connection.node) this.violation(`${what}: one of its own node is missing`)
    else if (!last.isReady) this.messages.early += n - last.n - 1
    else if (this.outages.touches(['bus', publisher, connection.node], last.at, at)) this.messages.excused += n - last.n - 1
    else this.violation(`${what}: ${n - last.n - 1} missing, and nothing was away`)
  }

  echo (connection: Connection, n: number): void {
    if (n !== connection.echoes) this.violation(`echo ${n} came instead of ${connection.echoes}`)
    connection.echoes = n + 1
    this.messages.echoes++
  }
}

function means (order: Order, subject: string, session: string): boolean {
  return order.subject === subject && (order.session === undefined || order.session === session)
}

export function count (counts: Record<string, number>, name: string): void {
  counts[name] = (counts[name] ?? 0) + 1
}
