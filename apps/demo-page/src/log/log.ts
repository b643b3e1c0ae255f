import { Store } from '../ui/store.js'
import { byteLength, type Entry, isTick, type Kind, printable } from './entries.js'

/** The number of entries that are kept. */
export const MAX_ENTRIES = 400

/**
 * Messages and events of this page. Entries are collected and published together, since a server may send hundreds of
 * messages between two frames of the screen.
 */
export class Log {
  readonly entries = new Store<readonly Entry[]>([])
  /** Messages so far, including those whose entries are gone. */
  readonly traffic = { received: 0, sent: 0 }
  #waiting: Entry[] = []
  #nextId = 1
  readonly #schedule: (flush: () => void) => void

  /** @param schedule runs a function a little later */
  constructor (schedule: (flush: () => void) => void = flush => { setTimeout(flush, 50) }) {
    this.#schedule = schedule
  }

  /** A message on a socket. */
  message (kind: 'in' | 'out', lane: string, data: unknown): void {
    this.traffic[kind === 'in' ? 'received' : 'sent']++
    const text = typeof data === 'string' ? data : '(binary)'
    this.#add(kind, lane, text, typeof data === 'string' ? byteLength(data) : sizeOf(data))
  }

  /** An event. */
  event (lane: string, text: string): void {
    this.#add('event', lane, text, null)
  }

  /** A refusal, or a failure. */
  bad (lane: string, text: string): void {
    this.#add('bad', lane, text, null)
  }

  clear (): void {
    this.#waiting = []
    this.entries.set([])
  }

  #add (kind: Kind, lane: string, text: string, bytes: number | null): void {
    this.#waiting.push({ id: this.#nextId++, time: Date.now(), kind, lane, text: printable(text), bytes, tick: isTick(text) })
    if (this.#waiting.length === 1) this.#schedule(() => this.#flush())
    else if (this.#waiting.length > 2 * MAX_ENTRIES) this.#waiting.splice(1, MAX_ENTRIES)
  }

  #flush (): void {
    if (this.#waiting.length === 0) return
    const waiting = this.#waiting
    this.#waiting = []
    this.entries.set([...this.entries.get(), ...waiting].slice(-MAX_ENTRIES))
  }
}

function sizeOf (data: unknown): number | null {
  return data instanceof ArrayBuffer || ArrayBuffer.isView(data) ? data.byteLength : null
}

/** The log of this page. */
export const log = new Log()
