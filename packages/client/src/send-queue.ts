import { sizeOf } from './codec.js'
import { fault } from './errors.js'
import type { ConnectSettings } from './options.js'
import type { WireData } from './types.js'

/** Keeps what was sent while the connection is not open, in order and within bounds. */
export class SendQueue {
  /** Size of the queued messages on the wire. */
  bytes = 0
  readonly #limits: Pick<ConnectSettings, 'messages' | 'bytes'>
  readonly #messages: WireData[] = []

  constructor (limits: Pick<ConnectSettings, 'messages' | 'bytes'>) {
    this.#limits = limits
  }

  /** @throws AirlockError `WSA_CLIENT_ERR_QUEUE_FULL` when the message does not fit */
  add (data: WireData): void {
    const size = sizeOf(data)
    const { messages, bytes } = this.#limits
    if (this.#messages.length >= messages || this.bytes + size > bytes) throw fault('QUEUE_FULL')
    this.#messages.push(data)
    this.bytes += size
  }

  get length (): number {
    return this.#messages.length
  }

  /** Hands out messages, oldest first, as long as they are taken. */
  drain (take: (message: WireData) => boolean): void {
    while (this.length && take(this.#messages[0]!)) this.bytes -= sizeOf(this.#messages.shift()!)
  }

  /** Empties the queue. @returns how many messages were in it */
  clear (): number {
    this.bytes = 0
    return this.#messages.splice(0).length
  }
}
