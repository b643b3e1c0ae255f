import type { ServerMessage } from '@fastify-airlock/protocol'

// Without an escape in it, JSON shows the type of a control message as it is: all else need not be parsed twice.
const HINT = /\\u|"(auth_|expiring|refresh_)/

/**
 * Reads a control message: what `parseServerMessage` of the protocol does, in half of its bytes; a test holds the two
 * together.
 *
 * @param data a message of the server
 * @returns `undefined` where it is the application's
 */
export function readControl (data: string | ArrayBuffer): ServerMessage | undefined {
  try {
    const message = HINT.test(data as string) && JSON.parse(data as string)
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
}
