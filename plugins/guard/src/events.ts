import { channel } from 'node:diagnostics_channel'
import type { WebSocket } from 'ws'

/** What the `node:diagnostics_channel` named `airlock:guard:refuse` carries, once for each refused upgrade. */
export interface GuardRefuseEvent {
  /** The HTTP status. */
  statusCode: number
  /** The code in the body, `WSA_GUARD_ERR_…`. */
  code: string
}

/** What the `node:diagnostics_channel` named `airlock:guard:expire` carries, once for each WebSocket that is closed at its expiry. */
export interface GuardExpireEvent {
  /** The connection. */
  socket: WebSocket
  /** The user's id. */
  subject: string
}

/** The plugin's diagnostics channels. Check `hasSubscribers` before you publish. */
export const channels = {
  refuse: channel('airlock:guard:refuse'),
  expire: channel('airlock:guard:expire')
} as const
