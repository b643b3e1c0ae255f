import { auditChannel, type MayRead, publishAudit, type Trail, trailOfSocket } from '@fastify-airlock/core'
import type { Connection } from './connection.js'
import type { HubOwner, TopicLeftReason } from './events.js'

/** Why a client has not got a topic. */
export type TopicRefusal = Exclude<MayRead, 'allowed'> | 'too many topics' | 'closed' | 'invalid'

/** The trail of a socket. Call it only where the channel has subscribers. */
export function trailOf (socket: object, { server }: HubOwner): Trail {
  const trail = trailOfSocket(socket)
  trail.server ??= server
  return trail
}

function trailOfConnection ({ socket, subject }: Connection, owner: HubOwner): Trail {
  const trail = trailOf(socket, owner)
  trail.subject ??= subject
  return trail
}

/** Publishes that a connection has joined a topic. */
export function auditJoin (owner: HubOwner, connection: Connection, topic: string, wildcard: boolean): void {
  if (auditChannel.hasSubscribers) publishAudit(trailOfConnection(connection, owner), { type: 'topic.joined', code: null, reason: null, topic, wildcard })
}

/**
 * Publishes that a client has not got a topic.
 *
 * @param topic `null` if it is none
 */
export function auditNoTopic (owner: HubOwner, connection: Connection, topic: string | null, wildcard: boolean, reason: TopicRefusal): void {
  if (auditChannel.hasSubscribers) publishAudit(trailOfConnection(connection, owner), { type: 'topic.refused', code: null, reason, topic, wildcard })
}

/** Publishes that a connection has had to leave a topic. */
export function auditEviction (owner: HubOwner, connection: Connection, topic: string, wildcard: boolean, reason: TopicLeftReason): void {
  if (auditChannel.hasSubscribers) publishAudit(trailOfConnection(connection, owner), { type: 'topic.evicted', code: null, reason, topic, wildcard })
}
