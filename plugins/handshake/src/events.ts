import { channel } from 'node:diagnostics_channel'

/** What is published on `airlock:handshake:open`. */
export interface HandshakeOpenEvent {
  /** Time from the 101 to `auth_ok`, in milliseconds. */
  duration: number
}

/** What is published on `airlock:handshake:refuse`. */
export interface HandshakeRefuseEvent {
  /** The close code. */
  code: number
  /** The close reason. */
  reason: string
}

/** A connection has passed: `airlock:handshake:open`, with a {@link HandshakeOpenEvent}. */
export const opened = channel('airlock:handshake:open')

/** A connection is refused, before or after it has passed: `airlock:handshake:refuse`, with a {@link HandshakeRefuseEvent}. */
export const refused = channel('airlock:handshake:refuse')
