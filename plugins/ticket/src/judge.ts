import { addressKey } from '@fastify-airlock/core'
import type { TicketRecord } from './store.js'
import type { RedeemContext, RedeemedTicket } from './types.js'

/** Why a ticket is not redeemed. */
export const CAUSES = {
  MALFORMED: 'it is no ticket',
  UNKNOWN: 'the ticket is unknown, used or expired, or is for another audience',
  ORIGIN: 'the ticket is bound to another Origin',
  ADDRESS: 'the ticket is bound to another address',
  OVER: 'the login has ended since the ticket was requested',
  FORGOTTEN: 'the ticket was requested before orders that were forgotten'
} as const

/** Returns what a record proves in this context, or why it proves nothing. */
export function judge (record: TicketRecord | null, context: RedeemContext): RedeemedTicket | string {
  if (record === null) return CAUSES.UNKNOWN
  if (record.origin !== null && record.origin !== context.origin) return CAUSES.ORIGIN
  if (record.ip !== null && record.ip !== addressKey(context.ip)) return CAUSES.ADDRESS
  return { subject: record.subject, claims: JSON.parse(record.claims), expiresAt: record.expiresAt }
}
