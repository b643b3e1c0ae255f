/** The client's first frame: it proves who the client is. */
export interface AuthMessage {
  type: 'auth'
  /** A JWT in compact serialization (RFC 7519). */
  token: string
  /**
   * Close codes after which the client does not connect again, although not every client knows them: `CloseCode.LOGGED_OUT`.
   * The server sends such a code only to clients that name it.
   */
  final?: number[]
  /** Whether the server should send a sign of life when it has nothing else to send. */
  alive?: true
  /** Whether `auth_ok` should tell the server's limit of messages. */
  messageRate?: true
  /** Whether the client wants the extension for topics. */
  topics?: true
  /** Whether the client wants the extension that shows who is there. */
  presence?: true
}

/** What the server says of its extension for topics. */
export interface TopicsOffer {
  /** Topics that one connection may have at a time. */
  max: number
}

/** What the server says of its extension that shows who is there. */
export interface PresenceOffer {
  /** Topics that one connection may watch at a time. */
  max: number
}

/** How many messages a client may send. */
export interface MessageRate {
  /** Messages a second in the long run. */
  perSecond: number
  /** Messages at once. */
  burst: number
}

/** Replaces the token of an open connection. Allowed at any time after `auth_ok`. */
export interface RefreshMessage {
  type: 'refresh'
  /** A JWT with the same subject and no wider scope. */
  token: string
}

/** A control message from a client. Every other message belongs to the application. */
export type ClientMessage = AuthMessage | RefreshMessage

/** Who the server thinks the client is. An application may add members. */
export interface ProtocolUser {
  /** The subject of the JWT. */
  id: string
  [member: string]: unknown
}

/** The client is authenticated. Application messages may flow. */
export interface AuthOkMessage {
  type: 'auth_ok'
  user: ProtocolUser
  /** When the token expires, in milliseconds since the epoch. */
  expiresAt: number
  /** Silence after which the server sends `alive`, in milliseconds, if the client has asked for it. */
  alive?: number
  /** How many messages the client may send, if it has asked and there is a limit. */
  messageRate?: MessageRate
  /** The extension for topics is on, if the client has asked for it and the server has it. */
  topics?: TopicsOffer
  /** The extension that shows who is there is on, if the client has asked for it and the server has it. */
  presence?: PresenceOffer
}

/** The token expires soon: send `refresh`. */
export interface ExpiringMessage {
  type: 'expiring'
  /** When the token expires, in milliseconds since the epoch. */
  expiresAt: number
}

/** The server has accepted the new token. */
export interface RefreshOkMessage {
  type: 'refresh_ok'
  /** When the new token expires, in milliseconds since the epoch. */
  expiresAt: number
}

/** Says why the server is about to close the connection. Sent right before the close frame. */
export interface AuthErrorMessage {
  type: 'auth_error'
  /** The close code that follows. */
  code: number
  /** The close reason that follows. */
  reason: string
  /** Whether another attempt, with a new ticket and a fresh token, can succeed. */
  retry: boolean
}

/** The server is alive, and has sent nothing else for a while. Only for a client that has asked for it. */
export interface AliveMessage {
  type: 'alive'
}

/** A control message from a server. Every other message belongs to the application. */
export type ServerMessage = AuthOkMessage | ExpiringMessage | RefreshOkMessage | AliveMessage | AuthErrorMessage

/**
 * Reads a control message from a client. `{"type":"jwt"}` counts as `auth`.
 *
 * @param text one text frame
 * @returns the message, or `null` for any other frame. Never throws.
 */
export function parseClientMessage (text: string): ClientMessage | null {
  const message = parseObject(text)
  if (message === null || typeof message.token !== 'string' || message.token === '') return null
  switch (message.type) {
    case 'auth':
    case 'jwt':
      return {
        type: 'auth',
        token: message.token,
        ...(Array.isArray(message.final) && { final: message.final.filter(Number.isInteger) }),
        ...(message.alive === true && { alive: true }),
        ...(message.messageRate === true && { messageRate: true }),
        ...(message.topics === true && { topics: true }),
        ...(message.presence === true && { presence: true })
      }
    case 'refresh':
      return { type: 'refresh', token: message.token }
    default:
      return null
  }
}

/**
 * Reads a control message from a server.
 *
 * @param text one text frame
 * @returns the message, or `null` for any other frame. Never throws.
 */
export function parseServerMessage (text: string): ServerMessage | null {
  try {
    const message = JSON.parse(text)
    const { type } = message
    if (
      type === 'auth_error'
        ? Number.isInteger(message.code) && typeof message.reason === 'string' && typeof message.retry === 'boolean'
        : type === 'alive' || (Number.isFinite(message.expiresAt) &&
          (type === 'auth_ok' ? typeof message.user.id === 'string' : type === 'expiring' || type === 'refresh_ok'))
    ) return message
  } catch {
    // Not JSON, or not an object.
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
