import { auditChannel, noteEnding, publishAudit, type TrailSource, trailOfSocket, type WsIdentity } from '@fastify-airlock/core'

/** What a connection proves: who the client is, that it has a new token, or nothing. */
export type Decision = 'auth' | 'refresh' | 'close'

/** The connection that is decided on. */
export interface Decided {
  readonly socket: object
  /** The request of the upgrade, as long as it is kept. */
  readonly request: TrailSource | null
  readonly identity: WsIdentity | null
  /** The claim that names the session. */
  readonly sessionClaim: string
}

/** Publishes that a client has proved what it had to. */
export function auditProof (type: 'auth.accepted' | 'refresh.accepted', { socket, request, identity, sessionClaim }: Decided): void {
  if (!auditChannel.hasSubscribers) return
  publishAudit(trailOfSocket(socket, request).of(identity as WsIdentity, sessionClaim), { type, code: null, reason: null })
}

/** Publishes that a client has not proved what it had to, and notes in any case why its connection is closed. */
export function auditRefusal (decision: Decision, { socket, request, identity, sessionClaim }: Decided, code: number, reason: string): void {
  if (decision !== 'close' && auditChannel.hasSubscribers) {
    const trail = trailOfSocket(socket, request)
    if (identity !== null) trail.of(identity, sessionClaim)
    publishAudit(trail, { type: `${decision}.refused`, code, reason })
  }
  noteEnding(socket, code, reason)
}
