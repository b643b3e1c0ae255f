import type { ServerEvent } from '@fastify-airlock/core'
import { channel } from 'node:diagnostics_channel'

/** Message on the `node:diagnostics_channel` named `airlock:handshake:open`: a connection has authenticated. */
export interface HandshakeOpenEvent extends ServerEvent {
  /** Time from the 101 to `auth_ok`, in milliseconds. */
  duration: number
}

/**
 * Message on the `node:diagnostics_channel` named `airlock:handshake:refuse`: a connection is refused, before or after
 * it has authenticated.
 */
export interface HandshakeRefuseEvent extends ServerEvent {
  /** The close code; 503 for an upgrade that was refused before its 101. */
  code: number
  /** The close reason. */
  reason: string
}

/** The plugin's diagnostics channels. Check `hasSubscribers` before you make a message. */
export const channels = {
  open: channel('airlock:handshake:open'),
  refuse: channel('airlock:handshake:refuse')
} as const
