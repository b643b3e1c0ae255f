import { auditChannel, publishAudit, type Trail, trailOfSocket } from '@fastify-airlock/core'
import type { Connection } from './connection.js'
import type { TopicLeftReason } from './events.js'
import type { TopicAnswer } from './topic-check.js'

/** Why a client has not got a topic. */
export type TopicRefusal = Exclude<TopicAnswer, 'allowed'> | 'too many topics' | 'closed' | 'invalid'

function trailOf ({ socket, subject }: Connection): Trail {
  const trail = trailOfSocket(socket)
  trail.subject ??= subject
  return trail
}

/** Publishes that a connection has joined a topic. */
export function auditJoin (connection: Connection, topic: string, wildcard: boolean): void {
  if (auditChannel.hasSubscribers) publishAudit(trailOf(connection), { type: 'topic.joined', code: null, reason: null, topic, wildcard })
}

/**
 * Publishes that a client has not got a topic.
 *
 * @param topic `null` if it is none
 */
export function auditNoTopic (connection: Connection, topic: string | null, wildcard: boolean, reason: TopicRefusal): void {
  if (auditChannel.hasSubscribers) publishAudit(trailOf(connection), { type: 'topic.refused', code: null, reason, topic, wildcard })
}

/** Publishes that a connection has had to leave a topic. */
export function auditEviction (connection: Connection, topic: string, wildcard: boolean, reason: TopicLeftReason): void {
  if (auditChannel.hasSubscribers) publishAudit(trailOf(connection), { type: 'topic.evicted', code: null, reason, topic, wildcard })
}
