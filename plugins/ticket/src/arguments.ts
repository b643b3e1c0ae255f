import { nonEmptyString, optionsObject, orderTargetMembers } from '@fastify-airlock/core'
import * as v from 'valibot'
import { WSA_TICKET_ERR_ARGUMENT } from './errors.js'
import { ttl } from './options.js'

/** The arguments of `issue`. */
export const issueArguments = optionsObject({
  subject: nonEmptyString,
  audience: v.optional(nonEmptyString),
  claims: v.optional(v.custom<Record<string, unknown>>(
    value => typeof value === 'object' && value !== null && !Array.isArray(value), 'Expected an object'
  )),
  ttl: v.optional(ttl),
  origin: v.optional(nonEmptyString),
  ip: v.optional(nonEmptyString),
  reuse: v.optional(v.boolean()),
  session: v.optional(nonEmptyString),
  requestedAt: v.optional(v.pipe(v.number(), v.finite()))
})

/** Whose tickets are revoked. */
export const revokeMembers = { subject: orderTargetMembers.subject, session: orderTargetMembers.session }

/** The checked arguments of `issue`. */
export type IssueArguments = v.InferOutput<typeof issueArguments>

/**
 * Writes the claims of a ticket as the store keeps them.
 *
 * @throws {@link WSA_TICKET_ERR_ARGUMENT} when JSON cannot hold them
 */
export function claimsText (claims: Record<string, unknown> | undefined): string {
  if (claims === undefined) return '{}'
  try {
    return JSON.stringify(claims)
  } catch {
    throw new WSA_TICKET_ERR_ARGUMENT('claims: cannot be written as JSON')
  }
}
