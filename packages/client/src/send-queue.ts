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

  /** Empties the queue. @returns the messages, oldest first */
  takeAll (): WireData[] {
    this.bytes = 0
    return this.#messages.splice(0)
  }
}
