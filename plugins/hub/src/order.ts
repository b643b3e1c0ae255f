import { nonEmptyString, type OrderTarget, parseOptions } from '@fastify-airlock/core'
import * as v from 'valibot'
import { isSendableCode, isTopic } from './checks.js'
import { WSA_HUB_ERR_INVALID_CODE, WSA_HUB_ERR_INVALID_ORDER, WSA_HUB_ERR_INVALID_TARGET } from './errors.js'
import type { DisconnectOptions, DisconnectTarget } from './types.js'

/** What one node tells all others to do. */
export type Order = DisconnectOrder | RightsOrder | RelayedOrder

/** Closes connections. */
export interface DisconnectOrder extends OrderTarget {
  kind: 'disconnect'
  /** The id of one connection. */
  connection?: string | undefined
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
const MAX_LENGTH = 16 * 1024

/**
 * Claims and their values. valibot's `record` leaves out names such as `constructor`, and an order with fewer conditions
 * means more connections; so does a value that JSON cannot carry to other nodes, and a member that is not the object's own.
 */
const condition = v.pipe(
  v.custom<NonNullable<OrderTarget['where']>>(
    value => typeof value === 'object' && value !== null && Reflect.ownKeys(value).length === Object.keys(value).length &&
      [Object.prototype, null].includes(Object.getPrototypeOf(value)),
    'Expected an object of claims'
  ),
  v.check(where => Object.values(where).every(isOrderValue), 'Expected a string, a number, a boolean or null'),
  v.check(where => Object.keys(where).length > 0, 'Expected at least one claim'),
  v.transform(where => Object.fromEntries(Object.entries(where)))
)

function isOrderValue (value: unknown): boolean {
  return value === null || typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value)
}

const members = {
  subject: v.optional(v.string()),
  session: v.optional(nonEmptyString),
  tokenId: v.optional(nonEmptyString),
  connection: v.optional(nonEmptyString),
  where: v.optional(condition),
  code: v.optional(v.number()),
  reason: v.optional(v.string(), 'disconnected')
}

// A member that is misspelled must not widen the order to a user's other sessions.
const argument = v.strictObject(members)

// A later version may have others: without them, the order means more connections and not fewer.
const told = v.variant('kind', [
  v.pipe(
    v.object({ ...members, kind: v.literal('disconnect') }),
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
  target: string | DisconnectTarget, options: DisconnectOptions, idOf: (socket: object) => string | undefined
): DisconnectOrder {
  const given = typeof target === 'string' ? { subject: target } : target
  const connection: unknown = given?.connection
  const found = typeof connection === 'object' && connection !== null ? { connection: idOf(connection) ?? '-' } : {}
  const { code, reason } = options
  const order: DisconnectOrder = {
    kind: 'disconnect',
    ...parseOptions(argument, {
      ...given, ...found, ...(code !== undefined && { code }), ...(reason !== undefined && { reason })
    }, WSA_HUB_ERR_INVALID_TARGET)
  }
  if (!isTargeted(order)) throw new WSA_HUB_ERR_INVALID_TARGET('subject, session, tokenId, connection or where is needed')
  if (order.code !== undefined && !isSendableCode(order.code)) throw new WSA_HUB_ERR_INVALID_CODE(order.code)
  if (writeOrder(order).length > MAX_LENGTH) throw new WSA_HUB_ERR_INVALID_TARGET('it is too long')
  return order
}

/**
 * Makes an order of another plugin.
 *
 * @throws {@link WSA_HUB_ERR_INVALID_ORDER} when it has no name, or is too long
 */
export function createRelayedOrder (name: string, detail: string): RelayedOrder {
  const order: RelayedOrder = { kind: 'relay', name, detail }
  if (typeof name !== 'string' || name === '' || typeof detail !== 'string') throw new WSA_HUB_ERR_INVALID_ORDER('a name and a text are needed')
  if (writeOrder(order).length > MAX_LENGTH) throw new WSA_HUB_ERR_INVALID_ORDER('it is too long')
  return order
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
  const { success, output } = v.safeParse(told, value)
  return success ? output : null
}

function isTargeted ({ subject, session, tokenId, connection, where }: Partial<DisconnectOrder>): boolean {
  return [subject, session, tokenId, connection, where].some(member => member !== undefined)
}
