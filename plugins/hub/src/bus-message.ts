import { isUtf8 } from 'node:buffer'
import type { TopicPlace } from '@fastify-airlock/core'
import { isNodeId, isSendableCode, isTopic } from './checks.js'
import { type Frame, frameBytes } from './frame.js'
import type { DisconnectOrder } from './order.js'

/** A message for the connections that joined `topic`; without a topic, for all. */
export interface Publication {
  kind: 'publish'
  topic: string | null
  frame: Frame
  /** Where a plugin for topics keeps it, `null` where it does not; not there for the hub's own messages. */
  place?: TopicPlace | null
}

/** What a node says of itself. */
export interface NodeState {
  /** Connections in its hub. */
  connections: number
  /** Connections that a publication to the topic of the question reaches; without one, all. */
  count: number
  /** Whether it closes its connections before a shutdown. */
  draining: boolean
}

/** What the application, or a plugin, has told; or a question about nodes, and its answer. */
export type ClusterMessage =
  | { kind: 'tell', name: string, text: string }
  | { kind: 'question', id: number, topic: string | undefined }
  | { kind: 'answer', id: number, state: NodeState }

/** What another node has sent. */
export type BusMessage =
  | Publication
  | ClusterMessage
  /** An order of a node of an earlier version, and how long ago it was given, in milliseconds. */
  | { kind: 'disconnect', order: DisconnectOrder, age: number }
  /** The node is back on the bus, and has heard nothing for `away` milliseconds. */
  | { kind: 'return', away: number }

/** Where a message comes from. */
export interface BusOrigin {
  /** The topic on the bus. */
  channel: string
  /** The node that has sent it. */
  node: string
  /** Counts the messages of that node. */
  sequence: number
}

/** Largest cluster message, in bytes of its JSON: every bus takes it. */
export const MAX_TELL_BYTES = 256 * 1024

/** Kinds of messages to one node that are not about orders. */
const CLUSTER_KINDS: ReadonlySet<unknown> = new Set(['tell', 'question', 'answer'] satisfies Array<ClusterMessage['kind']>)

const PLAIN = /[^\w.\-/]/g
const PATTERN = /[^\w.\-/+#]/g

/**
 * Writes a topic in characters that mean nothing to a bus: neither a wildcard where none is meant, nor what a broker
 * gives a meaning (Redis matches patterns as globs). Everything but letters, digits, `_`, `.`, `-` and `/` becomes `%`
 * and four hexadecimal digits.
 */
export function escapeTopic (topic: string, wildcard = false): string {
  return topic.replace(wildcard ? PATTERN : PLAIN, unit => `%${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** Reads what {@link escapeTopic} wrote. */
export function unescapeTopic (topic: string): string {
  return topic.replace(/%([0-9a-f]{4})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)))
}

/** Reads where a message comes from; `null` where it is not from a hub. */
export function readOrigin (message: unknown): BusOrigin | null {
  if (typeof message !== 'object' || message === null) return null
  const { topic, node, sequence } = message as Record<string, unknown>
  return typeof topic === 'string' && isNodeId(node) && Number.isSafeInteger(sequence)
    ? { channel: topic, node, sequence: sequence as number }
    : null
}

/**
 * Reads what another node has sent. Anyone who can write to the bus may have written it, so it is checked like any
 * other input.
 *
 * @param kind the channel without the prefix
 * @returns `null` where the message is malformed
 */
export function readMessage (kind: string, message: unknown): BusMessage | null {
  const { subject, code, reason, age, away } = message as Record<string, unknown>
  if (isClusterMessage(kind, message as Record<string, unknown>)) return readClusterMessage(kind, message as Record<string, unknown>)
  if (kind === 'return') return isDuration(away) ? { kind, away } : null
  if (kind === 'disconnect' || kind.startsWith('node/')) {
    return typeof subject === 'string' && isSendableCode(code) && typeof reason === 'string' && isDuration(age)
      ? { kind: 'disconnect', order: { kind: 'disconnect', subject, code, reason }, age }
      : null
  }
  const frame = readFrame(message as Record<string, unknown>)
  if (frame === null) return null
  if (kind === 'broadcast') return { kind: 'publish', topic: null, frame }
  const [, from = '', escaped = ''] = /^(topic|log)\/(.*)$/s.exec(kind) ?? []
  const topic = unescapeTopic(escaped)
  if (!isTopic(topic)) return null
  if (from === 'topic') return { kind: 'publish', topic, frame }
  const place = readPlace(message as Record<string, unknown>)
  return place === undefined || frame.options.binary ? null : { kind: 'publish', topic, frame, place }
}

/** Whether a message is one of the cluster, and no order: nodes of an earlier version do not understand it. */
export function isClusterMessage (kind: string, message: Record<string, unknown>): boolean {
  return kind.startsWith('tell/') || (kind.startsWith('node/') && CLUSTER_KINDS.has(message.kind))
}

function readClusterMessage (kind: string, message: Record<string, unknown>): ClusterMessage | null {
  const { id, about: topic, connections, count, draining } = message
  if (kind.startsWith('tell/')) return readTell(unescapeTopic(kind.slice('tell/'.length)), message.payload)
  if (message.kind === 'tell') return readTell(message.name, message.payload)
  if (!isCount(id)) return null
  if (message.kind === 'question') return topic === undefined || isTopic(topic) ? { kind: 'question', id, topic } : null
  return isCount(connections) && isCount(count) && typeof draining === 'boolean' ? { kind: 'answer', id, state: { connections, count, draining } } : null
}

function readTell (name: unknown, payload: unknown): ClusterMessage | null {
  if (!isTopic(name) || !(payload instanceof Uint8Array) || payload.length > MAX_TELL_BYTES || !isUtf8(payload)) return null
  const text = Buffer.from(payload.buffer, payload.byteOffset, payload.length).toString()
  try {
    JSON.parse(text)
  } catch {
    return null
  }
  return { kind: 'tell', name, text }
}

/** @returns `undefined` where it is malformed */
function readPlace ({ epoch, offset }: Record<string, unknown>): TopicPlace | null | undefined {
  if (epoch === undefined && offset === undefined) return null
  return typeof epoch === 'string' && epoch !== '' && epoch.length <= 64 && Number.isSafeInteger(offset) && offset as number > 0
    ? { epoch, offset: offset as number }
    : undefined
}

function isCount (value: unknown): value is number {
  return Number.isSafeInteger(value) && value as number >= 0
}

function isDuration (value: unknown): value is number {
  return typeof value === 'number' && value >= 0
}

function readFrame ({ payload, binary }: Record<string, unknown>): Frame | null {
  // One text message that is not UTF-8 would end every connection that gets it (RFC 6455, section 8.1).
  return payload instanceof Uint8Array && typeof binary === 'boolean' && (binary || isUtf8(payload))
    ? frameBytes(payload, binary)
    : null
}
