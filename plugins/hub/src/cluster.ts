import { optionsObject, parseOptions } from '@fastify-airlock/core'
import type { FastifyBaseLogger } from 'fastify'
import * as v from 'valibot'
import type { BusClient } from './bus-client.js'
import { type ClusterMessage, MAX_TELL_BYTES, type NodeState } from './bus-message.js'
import { isNodeId, isTopic } from './checks.js'
import { ClusterMessages } from './cluster-messages.js'
import type { AskOptions, HubNode, NodeListener, TellListener, TellOptions } from './cluster-types.js'
import { WSA_HUB_ERR_INVALID_TELL, WSA_HUB_ERR_INVALID_TOPIC } from './errors.js'
import { toJson } from './frame.js'
import { NodeWatch } from './node-watch.js'
import { MAX_ORDER_LENGTH, type RelayedOrder, timeoutOf, writeOrder } from './order.js'

/** The name of the orders that carry guaranteed messages. A node of an earlier version carries them out, with no listener. */
export const TELL_ORDER = 'airlock:tell'

const tellOptions = optionsObject({
  to: v.optional(v.pipe(v.string(), v.check(value => isNodeId(value), "Expected 'all', 'others' or the id of a node")), 'all'),
  guaranteed: v.optional(v.boolean(), false)
})

const told = v.object({ name: v.pipe(v.string(), v.check(name => isTopic(name))), to: v.string(), from: v.pipe(v.string(), v.check(value => isNodeId(value))), text: v.string() })

/** What a node has said of itself. */
interface Answer extends NodeState {
  node: string
}

/** A question whose answers somebody waits for. */
interface Question {
  /** Nodes that have not answered yet. */
  missing: Set<string>
  answers: Answer[]
  end: () => void
}

/** Settings of a {@link Cluster}. */
export interface ClusterSettings {
  /** This node. */
  node: string
  log: Pick<FastifyBaseLogger, 'error'>
  /** What this node answers when it is asked. */
  state: (topic: string | undefined) => NodeState
}

/** What this node tells others, asks them, and knows of them. */
export class Cluster {
  readonly #settings: ClusterSettings
  readonly #messages: ClusterMessages
  readonly #watch: NodeWatch
  readonly #questions = new Map<number, Question>()
  #bus: BusClient | null = null
  #lastQuestion = 0
  #stopped = false
  #over = false

  constructor (settings: ClusterSettings) {
    const { node, log } = settings
    this.#settings = settings
    this.#messages = new ClusterMessages({
      node,
      log,
      onFirst: name => this.#bus?.hear(name),
      onLast: name => this.#bus?.unhear(name)
    })
    this.#watch = new NodeWatch({ log, heard: () => this.#bus?.peers ?? [] })
  }

  /** Reaches other nodes over a bus from now on. */
  attach (bus: BusClient): void {
    this.#bus = bus
  }

  tell (name: string, data: unknown, options: TellOptions = {}): void {
    checkName(name)
    const { to, guaranteed } = parseOptions(tellOptions, options, WSA_HUB_ERR_INVALID_TELL)
    const text = toJson(data)
    const payload = Buffer.from(text)
    if (payload.length > MAX_TELL_BYTES) throw new WSA_HUB_ERR_INVALID_TELL(`data: ${payload.length} bytes are more than ${MAX_TELL_BYTES}`)
    const { node } = this.#settings
    const order = guaranteed ? createTellOrder(name, to, node, text) : null
    if (this.#over) return
    if (to !== node) {
      if (order !== null) this.#bus?.order(order)
      else this.#bus?.tell(name, isGroup(to) ? null : to, payload)
    }
    if (to === 'all' || to === node) this.#messages.hand(name, text, node)
  }

  on (name: string, listener: TellListener): () => void {
    checkName(name)
    checkListener(listener)
    return this.#messages.add(name, listener)
  }

  onNodes (listener: NodeListener): () => void {
    checkListener(listener)
    return this.#over ? () => {} : this.#watch.add(listener)
  }

  async nodes (options: AskOptions = {}): Promise<HubNode[]> {
    const answers = await this.#ask(undefined, timeoutOf(options))
    return answers.map(({ node: id, connections, draining }) => ({ id, own: id === this.#settings.node, connections, draining }))
  }

  async countAll (topic?: string, options: AskOptions = {}): Promise<number> {
    if (topic !== undefined && !isTopic(topic)) throw new WSA_HUB_ERR_INVALID_TOPIC()
    const answers = await this.#ask(topic, timeoutOf(options))
    return answers.reduce((sum, { count }) => sum + count, 0)
  }

  /** Takes a message of another node. */
  take (from: string, message: ClusterMessage): void {
    if (message.kind === 'tell') {
      this.#messages.hand(message.name, message.text, from)
    } else if (message.kind === 'question') {
      this.#bus?.sendTo(from, { kind: 'answer', id: message.id, ...this.#settings.state(message.topic) })
    } else {
      const { id, state } = message
      const question = this.#questions.get(id)
      if (question?.missing.delete(from) !== true) return
      question.answers.push({ node: from, ...state })
      if (question.missing.size === 0) question.end()
    }
  }

  /** Takes a guaranteed message of another node: the detail of an order. */
  takeOrder (detail: string): void {
    const { success, output } = v.safeParse(told, parse(detail))
    // Its text is to be read as well before it is handed to many.
    if (!success || parse(output.text) === undefined) throw new WSA_HUB_ERR_INVALID_TELL('another node has sent it')
    const { name, to, from, text } = output
    if (isGroup(to) || to === this.#settings.node) this.#messages.hand(name, text, from)
  }

  /**
   * Takes a beat of another node.
   *
   * @param every time between two of its beats, in milliseconds; `null` for its goodbye
   */
  beat (from: string, every: number | null): void {
    if (every !== null) return this.#watch.heard(from, every)
    this.#watch.gone(from)
    for (const question of this.#questions.values()) {
      if (question.missing.delete(from) && question.missing.size === 0) question.end()
    }
  }

  /** Waits for no other node any more. They are still told what this one tells. */
  stopWaiting (): void {
    this.#stopped = true
    for (const question of [...this.#questions.values()]) question.end()
  }

  /** Neither tells nor hears anything any more. */
  end (): void {
    this.#over = true
    this.stopWaiting()
    this.#messages.end()
    this.#watch.end()
  }

  /** Asks this node and all others. */
  async #ask (topic: string | undefined, timeout: number): Promise<Answer[]> {
    const { node, state } = this.#settings
    const answers: Answer[] = [{ node, ...state(topic) }]
    const others = this.#stopped ? [] : this.#bus?.peers.map(({ id }) => id) ?? []
    if (others.length === 0) return answers
    const id = ++this.#lastQuestion
    return await new Promise(resolve => {
      const timer = setTimeout(() => question.end(), timeout)
      const question: Question = {
        missing: new Set(others),
        answers,
        end: () => {
          clearTimeout(timer)
          this.#questions.delete(id)
          resolve(answers)
        }
      }
      this.#questions.set(id, question)
      for (const other of others) this.#bus?.sendTo(other, { kind: 'question', id, ...topic !== undefined && { about: topic } })
    })
  }
}

/** Whether a message means more than one node. */
function isGroup (to: string): boolean {
  return to === 'all' || to === 'others'
}

function createTellOrder (name: string, to: string, from: string, text: string): RelayedOrder {
  const order: RelayedOrder = { kind: 'relay', name: TELL_ORDER, detail: JSON.stringify({ name, to, from, text }) }
  const { length } = writeOrder(order)
  if (length > MAX_ORDER_LENGTH) {
    throw new WSA_HUB_ERR_INVALID_TELL(`data: as an order it takes ${length} characters, and ${MAX_ORDER_LENGTH} are allowed where it is guaranteed`)
  }
  return order
}

function checkName (name: unknown): void {
  if (!isTopic(name)) throw new WSA_HUB_ERR_INVALID_TELL('name: Expected a text of 1 to 256 bytes and at most 64 levels')
}

function checkListener (listener: unknown): void {
  if (typeof listener !== 'function') throw new WSA_HUB_ERR_INVALID_TELL('Expected a function as the listener')
}

/** @returns `undefined` for what is no JSON */
function parse (text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
