import { isUtf8 } from 'node:buffer'
import { type Frame, frameBytes } from './frame.js'
import { isSendable, isTopic } from './limits.js'
import type { Order } from './orders.js'

/** A message for those who joined `topic`; without a topic, for everybody. */
export interface Publication {
  kind: 'publish'
  topic: string | null
  frame: Frame
}

/** A user is to be disconnected. */
export interface Disconnection extends Order {
  kind: 'disconnect'
}

/** A node is back. */
export interface Return {
  kind: 'return'
  /** For how long it has heard nothing, in milliseconds. */
  away: number
}

/** Where a message comes from. */
export interface BusOrigin {
  /** The topic on the bus. */
  topic: string
  /** The node that has sent it. */
  node: string
  /** Counts that node's messages. */
  sequence: number
}

const PLAIN = /[^\w.\-/]/g
const PATTERN = /[^\w.\-/+#]/g

/**
 * Writes a topic so that no bus finds a wildcard in it that is none, nor a character that means something to the
 * broker (Redis matches patterns as globs): everything but letters, digits, `_`, `.`, `-` and `/` becomes `%` and four
 * hexadecimal digits.
 */
export function escapeTopic (topic: string, wildcard = false): string {
  return topic.replace(wildcard ? PATTERN : PLAIN, unit => `%${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** Reads what {@link escapeTopic} wrote. */
export function unescapeTopic (topic: string): string {
  return topic.replace(/%([0-9a-f]{4})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)))
}

/** Where a message comes from; `null` where it is not from a hub. */
export function readOrigin (message: unknown): BusOrigin | null {
  if (typeof message !== 'object' || message === null) return null
  const { topic, node, sequence } = message as Record<string, unknown>
  return typeof topic === 'string' && typeof node === 'string' && node.length <= 64 && Number.isSafeInteger(sequence)
    ? { topic, node, sequence: sequence as number }
    : null
}

/**
 * Reads what another node has sent. Whoever can write to the bus may have written it, so it is checked like any input.
 *
 * @param kind the bus topic behind the prefix
 * @returns `null` where it is malformed
 */
export function readMessage (kind: string, message: unknown): Publication | Disconnection | Return | null {
  const { subject, code, reason, age, away } = message as Record<string, unknown>
  if (kind === 'return') return isDuration(away) ? { kind, away } : null
  if (kind === 'disconnect' || kind.startsWith('node/')) {
    return typeof subject === 'string' && isSendable(code) && typeof reason === 'string' && isDuration(age)
      ? { kind: 'disconnect', subject, code, reason, age }
      : null
  }
  const frame = readFrame(message as Record<string, unknown>)
  if (frame === null) return null
  if (kind === 'broadcast') return { kind: 'publish', topic: null, frame }
  const topic = kind.startsWith('topic/') ? unescapeTopic(kind.slice('topic/'.length)) : ''
  return isTopic(topic) ? { kind: 'publish', topic, frame } : null
}

function isDuration (value: unknown): value is number {
  return typeof value === 'number' && value >= 0
}

function readFrame ({ payload, binary }: Record<string, unknown>): Frame | null {
  // One text message that is no text would end every connection that gets it (RFC 6455, section 8.1).
  return payload instanceof Uint8Array && typeof binary === 'boolean' && (binary || isUtf8(payload))
    ? frameBytes(payload, binary)
    : null
}
