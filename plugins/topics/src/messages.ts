import { extensionReader, isTopic } from '@fastify-airlock/core'
import type { StoredMessage, TopicPosition } from './store.js'

/** Longest id of a publication, and longest epoch, in characters. */
const MAX_ID = 64

/** A topic that a client asks for. */
export interface Wanted {
  topic: string
  /** Where the client stands, if it comes back. */
  since?: TopicPosition | undefined
}

/** A message of a client. */
export type ClientTopicMessage =
  | { type: 'topic:subscribe', topics: unknown[] }
  | { type: 'topic:unsubscribe', topics: unknown[] }
  | { type: 'topic:publish', id: string, topic: string, data: unknown }
  /** One that cannot be read, with what an answer can name. */
  | { type: 'invalid', topic: string | undefined, id: string | undefined }

/** Why a client is refused. */
export type RefusalCode = 'forbidden' | 'invalid' | 'too_many' | 'rate' | 'unavailable' | 'conflict'

const read = extensionReader('topic:')

/** Reads a message of a client; `null` where it is the application's. */
export function readMessage (text: Buffer): ClientTopicMessage | null {
  const message = read(text)
  if (message === null) return null
  const { type, topic, topics, id, data } = message
  if ((type === 'topic:subscribe' || type === 'topic:unsubscribe') && Array.isArray(topics) && topics.length > 0) return { type, topics }
  if (type === 'topic:publish' && isId(id) && isTopic(topic) && data !== undefined) return { type, id, topic, data }
  return { type: 'invalid', topic: typeof topic === 'string' ? topic : undefined, id: typeof id === 'string' ? id : undefined }
}

/** Reads one of the topics that a client asks for; `null` where it cannot be read. */
export function readWanted (value: unknown): Wanted | null {
  if (typeof value !== 'object' || value === null) return null
  const { topic, since } = value as Record<string, unknown>
  return isTopic(topic) && (since === undefined || isPosition(since)) ? { topic, since } : null
}

/** What an answer to something that cannot be read can name. */
export function topicIn (value: unknown): string | undefined {
  const topic: unknown = typeof value === 'object' && value !== null ? (value as Record<string, unknown>).topic : value
  return typeof topic === 'string' ? topic : undefined
}

function isId (value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= MAX_ID
}

function isPosition (value: unknown): value is TopicPosition {
  if (typeof value !== 'object' || value === null) return false
  const { epoch, offset } = value as Record<string, unknown>
  return isId(epoch) && Number.isSafeInteger(offset) && offset as number >= 0
}

/** JSON of a position. */
function at ({ epoch, offset }: TopicPosition): string {
  return `{"epoch":${JSON.stringify(epoch)},"offset":${offset}}`
}

/** `topic:message`. */
export function messageText (topic: string, data: string, position: TopicPosition | null): string {
  return `{"type":"topic:message","topic":${JSON.stringify(topic)},${position === null ? '' : `"position":${at(position)},`}"data":${data}}`
}

/** What `topic:subscribed` tells. */
export interface SubscribedAnswer {
  position: TopicPosition | null
  /** `undefined` where the client has named no position. */
  recovered: boolean | undefined
  messages: readonly StoredMessage[]
  more: boolean
}

/** `topic:subscribed`. */
export function subscribedText (topic: string, { position, recovered, messages, more }: SubscribedAnswer): string {
  return `{"type":"topic:subscribed","topic":${JSON.stringify(topic)}` +
    (position === null ? '' : `,"position":${at(position)}`) +
    (recovered === undefined ? '' : `,"recovered":${recovered}`) +
    (messages.length === 0 || position === null ? '' : `,"messages":${listText(messages, position.epoch)}`) +
    (more ? ',"more":true}' : '}')
}

/** `topic:messages`. */
export function messagesText (topic: string, messages: readonly StoredMessage[], epoch: string, more: boolean): string {
  return `{"type":"topic:messages","topic":${JSON.stringify(topic)},"messages":${listText(messages, epoch)}${more ? ',"more":true}' : '}'}`
}

function listText (messages: readonly StoredMessage[], epoch: string): string {
  return `[${messages.map(({ offset, data }) => `{"position":${at({ epoch, offset })},"data":${data}}`).join()}]`
}

/** `topic:gap`. */
export function gapText (topic: string, position: TopicPosition): string {
  return `{"type":"topic:gap","topic":${JSON.stringify(topic)},"position":${at(position)}}`
}

/** `topic:left`. */
export function leftText (topic: string, reason: string): string {
  return JSON.stringify({ type: 'topic:left', topic, reason })
}

/** `topic:refused`. Members that are `undefined` are left out. */
export function refusedText (topic: string | undefined, id: string | undefined, code: RefusalCode, retryAfter?: number): string {
  return JSON.stringify({ type: 'topic:refused', topic, id, code, retryAfter })
}

/** `topic:published`. */
export function publishedText (id: string, position: TopicPosition | undefined): string {
  return JSON.stringify({ type: 'topic:published', id, position })
}
