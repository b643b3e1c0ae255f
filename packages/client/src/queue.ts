import { AirlockError } from './errors.js'
import type { WireData } from './types.js'

const encoder = new TextEncoder()

/** What waits for the connection to open, in order. */
export interface Queue {
  /** What waits, in bytes of the wire. */
  readonly bytes: number
  /** @throws WSA_CLIENT_ERR_QUEUE_FULL */
  push (data: WireData): void
  /** Empties it. @returns what waited */
  take (): WireData[]
}

/** @returns the size of a message on the wire, in bytes; text counts as UTF-8 */
export function sizeOf (data: WireData): number {
  if (typeof data === 'string') return encoder.encode(data).length
  return 'size' in data ? data.size : data.byteLength
}

/**
 * @param limit in messages
 * @param limitBytes in bytes of the wire
 */
export function createQueue (limit: number, limitBytes: number): Queue {
  let items: WireData[] = []
  let bytes = 0
  return {
    get bytes () { return bytes },
    push (data) {
      const size = sizeOf(data)
      if (items.length >= limit || bytes + size > limitBytes) {
        throw new AirlockError('WSA_CLIENT_ERR_QUEUE_FULL', 'Too much waits to be sent')
      }
      items.push(data)
      bytes += size
    },
    take () {
      const taken = items
      items = []
      bytes = 0
      return taken
    }
  }
}
