import { logError } from '@fastify-airlock/core'
import type { FastifyBaseLogger } from 'fastify'
import type { RelayedOrder } from './order.js'

/** Carries out an order on this node. */
export type RelayListener = (detail: string) => string | Promise<string>

/** Carries out the orders that other plugins have given through the hub. */
export class Relay {
  readonly #log: Pick<FastifyBaseLogger, 'error'>
  readonly #listeners = new Map<string, Set<RelayListener>>()

  constructor (log: Pick<FastifyBaseLogger, 'error'>) {
    this.#log = log
  }

  /** Resolves when all listeners are there. */
  #complete: Promise<void> | null = null
  #release = (): void => {}

  /** Has orders of other nodes wait until {@link release}. */
  hold (): void {
    this.#complete = new Promise(resolve => { this.#release = resolve })
  }

  release (): void {
    this.#complete = null
    this.#release()
  }

  /** Has a listener carry out the orders with a name. */
  add (name: string, listener: RelayListener): void {
    const listeners = this.#listeners.get(name)
    if (listeners === undefined) this.#listeners.set(name, new Set([listener]))
    else listeners.add(listener)
  }

  /**
   * Carries out an order of another node; never rejects.
   *
   * @returns what that node is told: {@link readAnswers} reads it there
   */
  async take (order: RelayedOrder): Promise<string> {
    if (this.#complete !== null) await this.#complete
    return JSON.stringify(await this.carryOut(order))
  }

  /**
   * Carries out an order; never rejects.
   *
   * @returns what the listeners answered; one that failed is left out, and logged
   */
  async carryOut ({ name, detail }: RelayedOrder): Promise<string[]> {
    const answers = await Promise.all([...this.#listeners.get(name) ?? []].map(async listener => {
      try {
        const answer: unknown = await listener(detail)
        // Another node could not be told.
        if (typeof answer !== 'string') throw new TypeError(`Expected a string as the answer to an order, not ${typeof answer}`)
        return answer
      } catch (err) {
        logError(this.#log, err, 'an order could not be carried out', { order: name })
        return null
      }
    }))
    return answers.filter(answer => answer !== null)
  }
}

/** Reads the answers of another node. */
export function readAnswers (text: string): string[] {
  let answers: unknown
  try {
    answers = JSON.parse(text)
  } catch {}
  return Array.isArray(answers) ? answers.filter(answer => typeof answer === 'string') : []
}
