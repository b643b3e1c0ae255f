import { auditChannel, noteEnding, publishAudit, type Trail, type TrailSource, trailOfSocket, type WsIdentity } from '@fastify-airlock/core'

/** What a connection proves: who the client is, that it has a new token, or nothing. */
export type Decision = 'auth' | 'refresh' | 'close'

/** The connection that is decided on. */
export interface Decided {
  readonly socket: object
  /** The request of the upgrade, as long as it is kept. */
  readonly request: TrailSource | null
  readonly identity: WsIdentity | null
  /** The HTTP server. */
  readonly server: object
  /** The claim that names the session. */
  readonly sessionClaim: string
}

function trailOf ({ socket, request, server }: Decided): Trail {
  const trail = trailOfSocket(socket, request)
  trail.server ??= server
  return trail
}

/** Publishes that a client has proved what it had to. */
export function auditProof (type: 'auth.accepted' | 'refresh.accepted', decided: Decided): void {
  if (!auditChannel.hasSubscribers) return
  const { identity, sessionClaim } = decided
  publishAudit(trailOf(decided).of(identity as WsIdentity, sessionClaim), { type, code: null, reason: null })
}

/** Publishes that a client has not proved what it had to, and notes in any case why its connection is closed. */
export function auditRefusal (decision: Decision, decided: Decided, code: number, reason: string): void {
  const { socket, identity, sessionClaim } = decided
  if (decision !== 'close' && auditChannel.hasSubscribers) {
    const trail = trailOf(decided)
    if (identity !== null) trail.of(identity, sessionClaim)
    publishAudit(trail, { type: `${decision}.refused`, code, reason })
  }
  noteEnding(socket, code, reason)
}
