import { sizeOf } from './codec.js'
import { fault } from './errors.js'
import type { ConnectSettings } from './options.js'
import type { WireData } from './types.js'

/** Keeps what was sent while the connection is not open, in order and within bounds. */
export interface SendQueue {
  /** Size of the queued messages on the wire. */
  bytes: number
  readonly messages: readonly WireData[]
  /** @throws AirlockError `WSA_CLIENT_ERR_QUEUE_FULL` when the message does not fit */
  add (data: WireData): void
  /** Hands out messages, oldest first, as long as they are taken. */
  drain (take: (message: WireData) => boolean): void
}

/** Creates an empty queue. */
export function createSendQueue (limits: Pick<ConnectSettings, 'messages' | 'bytes'>): SendQueue {
  const messages: WireData[] = []
  const queue: SendQueue = {
    bytes: 0,
    messages,
    add (data) {
      const size = sizeOf(data)
      if (messages.length >= limits.messages || queue.bytes + size > limits.bytes) throw fault('QUEUE_FULL')
      messages.push(data)
      queue.bytes += size
    },
    drain (take) {
      while (messages.length && take(messages[0]!)) queue.bytes -= sizeOf(messages.shift()!)
    }
  }
  return queue
}
