/** The client's first frame: proves who it is. */
export interface AuthMessage {
  type: 'auth'
  /** A JWT in compact serialisation (RFC 7519). */
  token: string
}

/** Replaces the token of an open connection, at any time after `auth_ok`. */
export interface RefreshMessage {
  type: 'refresh'
  /** A JWT of the same subject and of no wider scope. */
  token: string
}

/** What a client may send to the protocol itself; every other message is the application's. */
export type ClientMessage = AuthMessage | RefreshMessage

/** Who the server took the client for. An application may add members. */
export interface ProtocolUser {
  /** The subject of the JWT. */
  id: string
  [member: string]: unknown
}

/** The handshake is complete; the application's messages may flow. */
export interface AuthOkMessage {
  type: 'auth_ok'
  user: ProtocolUser
  /** When the token expires, in milliseconds since the epoch. */
  expiresAt: number
}

/** The token expires soon: send `refresh`. */
export interface ExpiringMessage {
  type: 'expiring'
  /** When the token expires, in milliseconds since the epoch. */
  expiresAt: number
}

/** The new token is in force. */
export interface RefreshOkMessage {
  type: 'refresh_ok'
  /** When the new token expires, in milliseconds since the epoch. */
  expiresAt: number
}

/** Why the connection is about to be closed. Sent right before the close frame. */
export interface AuthErrorMessage {
  type: 'auth_error'
  /** The close code that follows. */
  code: number
  /** The close reason that follows. */
  reason: string
  /** Whether another attempt, with a new ticket and a fresh token, can succeed. */
  retry: boolean
}

/** What the protocol itself may send to a client; every other message is the application's. */
export type ServerMessage = AuthOkMessage | ExpiringMessage | RefreshOkMessage | AuthErrorMessage

/**
 * Reads a client's control message. `{"type":"jwt"}` is read as `auth`.
 *
 * @param text one text frame
 * @returns the message, or `null` where the frame is none of the protocol's. Never throws.
 */
export function parseClientMessage (text: string): ClientMessage | null {
  const message = parseObject(text)
  if (message === null || typeof message.token !== 'string' || message.token === '') return null
  switch (message.type) {
    case 'auth':
    case 'jwt':
      return { type: 'auth', token: message.token }
    case 'refresh':
      return { type: 'refresh', token: message.token }
    default:
      return null
  }
}

/**
 * Reads a server's protocol message.
 *
 * @param text one text frame
 * @returns the message, or `null` where the frame is the application's. Never throws.
 */
export function parseServerMessage (text: string): ServerMessage | null {
  try {
    const message = JSON.parse(text)
    const { type, user, expiresAt, code, reason, retry } = message
    if (
      type === 'auth_error'
        ? Number.isInteger(code) && typeof reason === 'string' && typeof retry === 'boolean'
        : Number.isFinite(expiresAt) &&
          (type === 'auth_ok' ? typeof user.id === 'string' : type === 'expiring' || type === 'refresh_ok')
    ) return message
  } catch {
    // Not JSON, or nothing that has members.
  }
  return null
}

function parseObject (text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value as Record<string, unknown> : null
  } catch {
    return null
  }
}
