import { optionsObject, parseOptions, positiveInteger, Sweep, type Sweepable } from '@fastify-airlock/core'
import * as v from 'valibot'
import { WSA_TICKET_ERR_DUPLICATE, WSA_TICKET_ERR_OPTION, WSA_TICKET_ERR_STORE_CLOSED, WSA_TICKET_ERR_STORE_FULL } from '../errors.js'
import type { TicketRecord, TicketStore } from '../store.js'

/** Options of a {@link MemoryStore}. */
export interface MemoryStoreOptions {
  /**
   * Largest number of tickets that are kept at once.
   * @default 100000
   */
  max?: number
}

const memoryOptions = optionsObject({ max: v.optional(positiveInteger, 100_000) })

interface Entry extends Sweepable {
  hash: string
  record: TicketRecord
}

/**
 * Keeps tickets in this process: for one process, for tests, and for several processes behind sticky sessions. A full
 * store refuses new tickets. It never evicts a live one, or one user could push out the tickets of others.
 *
 * @throws {@link WSA_TICKET_ERR_OPTION} when an option is wrong
 */
export class MemoryStore implements TicketStore {
  readonly #max: number
  readonly #entries = new Map<string, Entry>()
  /** Most subjects have one ticket at a time, which needs no set. */
  readonly #subjects = new Map<string, Entry | Set<Entry>>()
  readonly #sweep = new Sweep<Entry>(entry => this.#remove(entry))
  #closed = false

  constructor (options: MemoryStoreOptions = {}) {
    this.#max = parseOptions(memoryOptions, options, WSA_TICKET_ERR_OPTION).max
  }

  /** Tickets in the store. */
  get size (): number {
    return this.#entries.size
  }

  put (hash: string, record: TicketRecord, ttl: number): void {
    this.#assertOpen()
    if (this.#entries.has(hash)) throw new WSA_TICKET_ERR_DUPLICATE()
    if (this.#entries.size >= this.#max) {
      this.#sweep.tick()
      if (this.#entries.size >= this.#max) throw new WSA_TICKET_ERR_STORE_FULL()
    }
    const entry = { hash, record, due: 0 }
    this.#entries.set(hash, entry)
    const entries = this.#subjects.get(record.subject)
    if (entries === undefined) this.#subjects.set(record.subject, entry)
    else if (entries instanceof Set) entries.add(entry)
    else this.#subjects.set(record.subject, new Set([entries, entry]))
    this.#sweep.set(entry, ttl)
  }

  take (hash: string, audience: string, now: number): TicketRecord | null {
    this.#assertOpen()
    const entry = this.#entries.get(hash)
    if (entry === undefined || entry.record.audience !== audience || now >= entry.record.expiresAt) return null
    if (!entry.record.reuse) {
      this.#sweep.clear(entry)
      this.#remove(entry)
    }
    return entry.record
  }

  has (hash: string): boolean {
    // After `close()`, `take` reports it.
    return this.#closed || this.#entries.has(hash)
  }

  revoke (subject: string, session?: string): number {
    this.#assertOpen()
    const entries = this.#subjects.get(subject)
    const all = entries === undefined ? [] : entries instanceof Set ? [...entries] : [entries]
    return this.#revoke(all.filter(({ record }) => session === undefined || record.session === undefined || record.session === session))
  }

  revokeSession (session: string): number {
    this.#assertOpen()
    // Rare enough to look at each ticket, and no ticket needs memory for it.
    return this.#revoke([...this.#entries.values()].filter(({ record }) => record.session === session))
  }

  remove (hash: string): void {
    this.#assertOpen()
    const entry = this.#entries.get(hash)
    if (entry !== undefined) this.#revoke([entry])
  }

  close (): void {
    this.#closed = true
    this.#sweep.close()
    this.#entries.clear()
    this.#subjects.clear()
  }

  #assertOpen (): void {
    if (this.#closed) throw new WSA_TICKET_ERR_STORE_CLOSED()
  }

  #revoke (entries: Entry[]): number {
    for (const entry of entries) {
      this.#sweep.clear(entry)
      this.#remove(entry)
    }
    return entries.length
  }

  #remove (entry: Entry): void {
    this.#entries.delete(entry.hash)
    const entries = this.#subjects.get(entry.record.subject)
    if (entries instanceof Set) {
      entries.delete(entry)
      if (entries.size > 0) return
    }
    this.#subjects.delete(entry.record.subject)
  }
}
