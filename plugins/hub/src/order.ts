import { nonEmptyString, type OrderTarget, parseOptions } from '@fastify-airlock/core'
import * as v from 'valibot'
import { isSendableCode } from './checks.js'
import { WSA_HUB_ERR_INVALID_CODE, WSA_HUB_ERR_INVALID_TARGET } from './errors.js'
import type { DisconnectOptions, DisconnectTarget } from './types.js'

/** Closes connections, on every node. */
export interface DisconnectOrder extends OrderTarget {
  /** The id of one connection. */
  connection?: string | undefined
  /** `undefined` for that of a logout. */
  code?: number | undefined
  reason: string
}

/** Longest order, in characters of its text. */
const MAX_LENGTH = 16 * 1024

const members = {
  subject: v.optional(v.string()),
  session: v.optional(nonEmptyString),
  tokenId: v.optional(nonEmptyString),
  connection: v.optional(nonEmptyString),
  where: v.optional(v.pipe(
    v.record(v.string(), v.union([v.string(), v.number(), v.boolean(), v.null()], 'Expected a string, a number, a boolean or null')),
    v.check(where => Object.keys(where).length > 0, 'Expected at least one claim')
  )),
  code: v.optional(v.number()),
  reason: v.optional(v.string(), 'disconnected')
}

// A member that is misspelled must not widen the order to a user's other sessions.
const argument = v.strictObject(members)

// A later version may have others: without them, the order means more connections and not fewer.
const told = v.object({ ...members, kind: v.literal('disconnect') })

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
  const order = parseOptions(argument, {
    ...given, ...found, ...(code !== undefined && { code }), ...(reason !== undefined && { reason })
  }, WSA_HUB_ERR_INVALID_TARGET)
  if (!isTargeted(order)) throw new WSA_HUB_ERR_INVALID_TARGET('subject, session, tokenId, connection or where is needed')
  if (order.code !== undefined && !isSendableCode(order.code)) throw new WSA_HUB_ERR_INVALID_CODE(order.code)
  if (writeOrder(order).length > MAX_LENGTH) throw new WSA_HUB_ERR_INVALID_TARGET('it is too long')
  return order
}

/** Writes an order as nodes tell it each other. */
export function writeOrder (order: DisconnectOrder): string {
  return JSON.stringify({ kind: 'disconnect', ...order })
}

/**
 * Reads what {@link writeOrder} wrote, on this node or on another.
 *
 * @returns `null` where it is malformed, or of a kind that this version does not know
 */
export function readOrder (text: string): DisconnectOrder | null {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {}
  const { success, output } = v.safeParse(told, value)
  if (!success || !isTargeted(output) || (output.code !== undefined && !isSendableCode(output.code))) return null
  const { kind, ...order } = output
  return order
}

function isTargeted ({ subject, session, tokenId, connection, where }: Omit<DisconnectOrder, 'code' | 'reason'>): boolean {
  return [subject, session, tokenId, connection, where].some(member => member !== undefined)
}
