import type { CutReason, ServerEvent } from '@fastify-airlock/core'
import { channel } from 'node:diagnostics_channel'
import type { WebSocket } from 'ws'

/** What the `node:diagnostics_channel` named `airlock:guard:refuse` carries, once for each refused upgrade. */
export interface GuardRefuseEvent extends ServerEvent {
  /** The HTTP status. */
  statusCode: number
  /** The code in the body, `WSA_GUARD_ERR_…`. */
  code: string
}

/** What the `node:diagnostics_channel` named `airlock:guard:expire` carries, once for each WebSocket that is closed at its expiry. */
export interface GuardExpireEvent extends ServerEvent {
  /** The connection. */
  socket: WebSocket
  /** The user's id. */
  subject: string
}

/**
 * What the `node:diagnostics_channel` named `airlock:guard:cut` carries, once for each WebSocket that is cut because its peer
 * does not take what is sent to it.
 */
export interface GuardCutEvent extends ServerEvent {
  /** The connection. */
  socket: WebSocket
  /** What both sides see: 1006, as for every connection that ends without a close frame. */
  code: number
  /** `'full'`: more than `maxSocketBytes` were waiting. `'stalled'`: the peer took nothing for `stallTimeout`. */
  reason: CutReason
  /** Bytes that were waiting. */
  bytes: number
}

/** The plugin's diagnostics channels. Check `hasSubscribers` before you publish. */
export const channels = {
  refuse: channel('airlock:guard:refuse'),
  expire: channel('airlock:guard:expire'),
  cut: channel('airlock:guard:cut')
} as const
