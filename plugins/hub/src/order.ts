import {
  instanceWith, isPlain, milliseconds, nonEmptyString, optionsObject, type OrderTarget, orderTargetMembers, parseOptions, parseTarget,
  refuseUndefined
} from '@fastify-airlock/core'
import * as v from 'valibot'
import type { WebSocket } from 'ws'
import { isSendableCode, isTopic } from './checks.js'
import {
  WSA_HUB_ERR_INVALID_CODE, WSA_HUB_ERR_INVALID_ORDER, WSA_HUB_ERR_INVALID_SUBJECT, WSA_HUB_ERR_INVALID_TARGET, WSA_HUB_ERR_INVALID_TOPIC,
  WSA_HUB_ERR_INVALID_TIMEOUT, WSA_HUB_ERR_NO_SELECTION
} from './errors.js'
import type { DisconnectOptions, DisconnectTarget, GiveOrderOptions, ReauthorizeOptions } from './types.js'

/** What one node tells all others to do. */
export type Order = DisconnectOrder | RightsOrder | RelayedOrder

/** Closes connections. */
export interface DisconnectOrder extends OrderTarget {
  kind: 'disconnect'
  /** The id of one connection. */
  connection?: string
  /** `undefined` for that of a logout. */
  code?: number | undefined
  reason: string
}

/** Asks again about rights to topics, or takes one away. */
export interface RightsOrder {
  kind: 'reauthorize' | 'evict'
  /** Both are there for `evict`, at least one of them for `reauthorize`. */
  subject?: string | undefined
  topic?: string | undefined
  /** Whether the topic is a pattern. */
  wildcard: boolean
}

/** An order of another plugin. */
export interface RelayedOrder {
  kind: 'relay'
  /** What is to be done: the listeners with this name do it. */
  name: string
  /** What only they understand. */
  detail: string
}

/** Longest order, in characters of its text. */
export const MAX_ORDER_LENGTH = 16 * 1024

/** Whom an order to disconnect means, on any node. */
const told = { ...orderTargetMembers, connection: v.exactOptional(nonEmptyString) }

/** The same as the application says it. */
const meant = {
  ...orderTargetMembers,
  connection: v.exactOptional(v.union([nonEmptyString, instanceWith<WebSocket>('close')], 'Expected a socket, or the id of a connection'))
}

const how = { code: v.optional(v.number()), reason: v.optional(v.string()) }

const disconnectOptions = optionsObject({ ...how, timeout: v.optional(v.unknown()) })

const waitOptions = v.object({ timeout: v.optional(milliseconds, 5_000) }, 'Expected an object')

const rightsOptions = { subject: v.optional(v.unknown()), topic: v.optional(v.unknown()), wildcard: v.optional(v.boolean(), false) }

// A later version may have others: without them, the order means more connections and not fewer.
const orders = v.variant('kind', [
  v.pipe(
    v.object({ ...told, ...how, reason: v.optional(v.string(), 'disconnected'), kind: v.literal('disconnect') }),
    v.check(order => isTargeted(order) && (order.code === undefined || isSendableCode(order.code)))
  ),
  v.pipe(
    v.object({ kind: v.picklist(['reauthorize', 'evict']), subject: v.optional(nonEmptyString), topic: v.optional(v.string()), wildcard: v.boolean() }),
    v.check(({ kind, subject, topic, wildcard }) => {
      if (topic !== undefined && !isTopic(topic, wildcard)) return false
      return kind === 'evict' ? subject !== undefined && topic !== undefined : subject !== undefined || topic !== undefined
    })
  ),
  v.object({ kind: v.literal('relay'), name: nonEmptyString, detail: v.string() })
])

/**
 * Makes an order of the arguments of `disconnect`.
 *
 * @param idOf finds the id of a connection
 * @throws {@link WSA_HUB_ERR_INVALID_TARGET} when it is not clear whom it means
 * @throws {@link WSA_HUB_ERR_INVALID_CODE} when the code must not be sent
 */
export function createOrder (
  target: string | DisconnectTarget, options: DisconnectOptions, idOf: (socket: WebSocket) => string | undefined
): DisconnectOrder {
  const { connection, code: ownCode, reason: ownReason, ...who } = parseTarget(
    target, WSA_HUB_ERR_INVALID_TARGET, { ...meant, ...how }, Object.keys(meant)
  )
  const { code = ownCode, reason = ownReason ?? 'disconnected' } = parseOptions(disconnectOptions, options, WSA_HUB_ERR_INVALID_TARGET)
  const order: DisconnectOrder = {
    kind: 'disconnect',
    ...who,
    ...(connection !== undefined && { connection: typeof connection === 'string' ? connection : idOf(connection) ?? '-' }),
    ...(code !== undefined && { code }),
    reason
  }
  if (code !== undefined && !isSendableCode(code)) throw new WSA_HUB_ERR_INVALID_CODE(code)
  if (writeOrder(order).length > MAX_ORDER_LENGTH) throw new WSA_HUB_ERR_INVALID_TARGET('it is too long')
  return order
}

/**
 * Makes an order of the arguments of `evict` or `reauthorize`.
 *
 * @throws {@link WSA_HUB_ERR_INVALID_TARGET} when they are no object, or have a member that is unknown or, for `reauthorize`, `undefined`
 * @throws {@link WSA_HUB_ERR_NO_SELECTION} when `reauthorize` names neither a subject nor a topic
 * @throws {@link WSA_HUB_ERR_INVALID_SUBJECT} when the subject is not a non-empty string
 * @throws {@link WSA_HUB_ERR_INVALID_TOPIC} when the topic is empty, too long or no pattern
 */
export function createRightsOrder (kind: RightsOrder['kind'], options: ReauthorizeOptions): RightsOrder {
  if (!isPlain(options)) throw new WSA_HUB_ERR_INVALID_TARGET('Expected a plain object with a subject, a topic or both')
  const { subject, topic, wildcard } = parseOptions(optionsObject(rightsOptions), options, WSA_HUB_ERR_INVALID_TARGET)
  const needsBoth = kind === 'evict'
  if (!needsBoth) refuseUndefined(options, ['subject', 'topic'], WSA_HUB_ERR_INVALID_TARGET)
  if (!needsBoth && subject === undefined && topic === undefined) throw new WSA_HUB_ERR_NO_SELECTION()
  if ((needsBoth || subject !== undefined) && (typeof subject !== 'string' || subject === '')) throw new WSA_HUB_ERR_INVALID_SUBJECT()
  if ((needsBoth || topic !== undefined) && !isTopic(topic, wildcard)) throw new WSA_HUB_ERR_INVALID_TOPIC()
  return { kind, subject: subject as string | undefined, topic: topic as string | undefined, wildcard }
}

/**
 * Makes an order of another plugin.
 *
 * @throws {@link WSA_HUB_ERR_INVALID_ORDER} when it has no name, or is too long
 */
export function createRelayedOrder (name: string, detail: string): RelayedOrder {
  const order: RelayedOrder = { kind: 'relay', name, detail }
  if (typeof name !== 'string' || name === '' || typeof detail !== 'string') throw new WSA_HUB_ERR_INVALID_ORDER('a name and a text are needed')
  if (writeOrder(order).length > MAX_ORDER_LENGTH) throw new WSA_HUB_ERR_INVALID_ORDER('it is too long')
  return order
}

/**
 * Returns how long to wait for other nodes, in milliseconds.
 *
 * @throws {@link WSA_HUB_ERR_INVALID_TIMEOUT} when a timer cannot wait so long
 */
export function timeoutOf (options: GiveOrderOptions): number {
  return parseOptions(waitOptions, options, WSA_HUB_ERR_INVALID_TIMEOUT).timeout
}

/** Writes an order as nodes tell it each other. */
export function writeOrder (order: Order): string {
  return JSON.stringify(order)
}

/**
 * Reads what {@link writeOrder} wrote, on this node or on another.
 *
 * @returns `null` where it is malformed, or of a kind that this version does not know
 */
export function readOrder (text: string): Order | null {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {}
  const { success, output } = v.safeParse(orders, value)
  return success ? output : null
}

/** Whether an order says no more than whose connections it means: all of them. */
export function hasOnlySubject ({ subject, session, tokenId, where }: OrderTarget): boolean {
  return subject !== undefined && session === undefined && tokenId === undefined && where === undefined
}

function isTargeted ({ subject, session, tokenId, connection, where }: Partial<DisconnectOrder>): boolean {
  return [subject, session, tokenId, connection, where].some(member => member !== undefined)
}
