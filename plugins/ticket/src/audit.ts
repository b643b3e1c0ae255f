import { auditChannel, findTrail, publishAudit, Trail } from '@fastify-airlock/core'
import { ticketId } from './secret.js'
import type { TicketRecord } from './store.js'
import type { IssuedTicket, RedeemContext } from './types.js'

/** Publishes that a ticket was issued. Call it only where the channel has subscribers. */
export function auditIssue (trail: Trail, { ticket, expiresAt }: IssuedTicket, audience: string): void {
  trail.id = ticketId(ticket)
  publishAudit(trail, { type: 'ticket.issued', code: null, reason: null, audience, expiresAt })
}

/**
 * Publishes that no ticket was issued. Call it only where the channel has subscribers.
 *
 * @param code that of the error
 * @param status that of the answer, in the ticket route
 */
export function auditNoTicket (trail: Trail, code: string | null, status: number | null = null): void {
  publishAudit(trail, { type: 'ticket.refused', code, reason: null, status, ticket: null })
}

/** What has become of a ticket that was presented. */
export interface Redemption {
  /** What the store had. */
  record: TicketRecord | null
  /** Why it was not redeemed; `null` if it was. */
  cause: string | null
}

/**
 * Publishes what has become of a ticket that was presented; a guard that refuses it does so by itself.
 *
 * @param ticket `null` if it does not even look like one: nothing follows from it
 * @param server the HTTP server, where no request is known
 */
export function auditRedemption (ticket: string | null, context: RedeemContext, server: object | null, { record, cause }: Redemption): void {
  if (!auditChannel.hasSubscribers) return
  const known = findTrail(context)
  const trail = known ?? Object.assign(new Trail(), { server }).from({ ip: context.ip })
  const id = trail.ticket = ticket === null ? null : ticketId(ticket)
  if (record !== null) {
    // The connection that has used it up is the one that it was issued for.
    if (!record.reuse) trail.id = id as string
    trail.subject = record.subject
    trail.session = record.session ?? null
  }
  if (cause === null) publishAudit(trail, { type: 'ticket.redeemed', code: null, reason: null, ticket: id as string })
  else if (known !== undefined) known.cause = cause
  else publishAudit(trail, { type: 'ticket.refused', code: null, reason: cause, status: null, ticket: id })
}
