import { extensionReader, isTopic } from '@fastify-airlock/core'
import type { PresenceUser } from './types.js'

/** A message of a client. */
export type ClientPresenceMessage =
  | { type: 'presence:watch' | 'presence:unwatch', topics: unknown[] }
  | { type: 'presence:set', topic: string, state: unknown }
  /** One that cannot be read, with what an answer can name. */
  | { type: 'invalid', topic: string | undefined }

/** Why a client is refused. */
export type RefusalCode = 'forbidden' | 'invalid' | 'too_many' | 'rate' | 'unavailable'

/** Why a watch has ended. */
export type LeftReason = 'evicted' | 'unauthorized' | 'expired' | 'unavailable'

/** Most bytes of users in one message. */
const PAGE_BYTES = 64 * 1024

const read = extensionReader('presence:')

/** Reads a message of a client; `null` where it is the application's. */
export function readMessage (text: Buffer): ClientPresenceMessage | null {
  const message = read(text)
  if (message === null) return null
  const { type, topic, topics, state } = message
  if ((type === 'presence:watch' || type === 'presence:unwatch') && Array.isArray(topics) && topics.length > 0) return { type, topics }
  if (type === 'presence:set' && isPlace(topic) && state !== undefined) return { type, topic, state }
  return { type: 'invalid', topic: typeof topic === 'string' ? topic : undefined }
}

/** Whether a value is a topic, or stands for everyone. */
export function isPlace (value: unknown): value is string {
  return value === '' || isTopic(value)
}

/** JSON of a user. */
export function userText (user: PresenceUser): string {
  return JSON.stringify(user)
}

/** What a report tells: JSON of users, and subjects. */
export interface Report {
  here: readonly string[]
  gone: readonly string[]
  total: number
}

/**
 * `presence:list`, which replaces what the client knows, or `presence:change`; where there is too much for one message, the rest in
 * messages of the second kind.
 *
 * @param maxBytes of users in one message, unless it has a single one
 */
export function reportTexts (type: 'list' | 'change', topic: string, { here, gone, total }: Report, maxBytes = PAGE_BYTES): string[] {
  const parts = split([...here.map(text => ({ text, isHere: true })), ...gone.map(subject => ({ text: JSON.stringify(subject), isHere: false }))], Math.min(maxBytes, PAGE_BYTES))
  return parts.map((part, index) => {
    const [users, left] = [true, false].map(kind => part.filter(({ isHere }) => isHere === kind).map(({ text }) => text).join())
    return `{"type":"presence:${index === 0 ? type : 'change'}","topic":${JSON.stringify(topic)},"total":${total}` +
      (users === '' ? '' : `,"here":[${users}]`) + (left === '' ? '' : `,"gone":[${left}]`) + (index < parts.length - 1 ? ',"more":true}' : '}')
  })
}

interface Item {
  text: string
  isHere: boolean
}

function split (items: Item[], maxBytes: number): Item[][] {
  const parts: Item[][] = [[]]
  let bytes = 0
  for (const item of items) {
    const more = Buffer.byteLength(item.text)
    if (bytes > 0 && bytes + more > maxBytes) {
      parts.push([])
      bytes = 0
    }
    bytes += more
    parts.at(-1)?.push(item)
  }
  return parts
}

/** `presence:left`. */
export function leftText (topic: string, reason: LeftReason): string {
  return JSON.stringify({ type: 'presence:left', topic, reason })
}

/**
 * `presence:refused`. Members that are `undefined` are left out.
 *
 * @param state whether it is a state that was refused
 */
export function refusedText (topic: string, code: RefusalCode, state: true | undefined, retryAfter?: number): string {
  return JSON.stringify({ type: 'presence:refused', topic, state, code, retryAfter })
}
