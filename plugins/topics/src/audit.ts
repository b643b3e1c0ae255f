import { auditChannel, publishAudit, type TopicMember, trailOfSocket } from '@fastify-airlock/core'
import type { RefusalCode } from './messages.js'

/** Publishes what has become of a publication of a client: `null` for one that was taken. */
export function auditPublication ({ socket, subject }: TopicMember, topic: string, refusal: Exclude<RefusalCode, 'too_many' | 'rate'> | null): void {
  if (!auditChannel.hasSubscribers) return
  const trail = trailOfSocket(socket)
  trail.subject ??= subject
  if (refusal === null) publishAudit(trail, { type: 'publication.accepted', code: null, reason: null, topic })
  else publishAudit(trail, { type: 'publication.refused', code: null, reason: refusal, topic })
}
