import { logoutCode } from '@fastify-airlock/core'
import { type AuthErrorMessage, CloseCode, retryAfterClose } from '@fastify-airlock/protocol'

/** Why a connection ends. The `auth_error` frame is prepared, so that a refusal costs nothing but the write. */
export class Refusal {
  readonly code: number
  readonly reason: string
  /** The payload of the `auth_error` text frame. */
  readonly frame: Buffer

  constructor (code: number, reason: string) {
    this.code = code
    this.reason = reason
    const message: AuthErrorMessage = { type: 'auth_error', code, reason, retry: retryAfterClose(code) !== 'never' }
    this.frame = Buffer.from(JSON.stringify(message))
  }

  /** The refusal as the client of a socket understands it. */
  for (_socket: object): Refusal {
    return this
  }
}

/** The refusal of somebody whose login has ended, with a code of its own for clients that know it. */
class LogoutRefusal extends Refusal {
  readonly #known: Refusal

  constructor (reason: string) {
    super(CloseCode.FORBIDDEN, reason)
    this.#known = new Refusal(CloseCode.LOGGED_OUT, reason)
  }

  override for (socket: object): Refusal {
    return logoutCode(socket) === CloseCode.LOGGED_OUT ? this.#known : this
  }
}

/** All refusals. The reasons say no more than the client may know. */
export const REFUSALS = {
  AUTH_EXPECTED: new Refusal(CloseCode.BAD_REQUEST, 'auth message expected'),
  TOKEN_INVALID: new Refusal(CloseCode.UNAUTHORIZED, 'token invalid'),
  TOKEN_EXPIRED: new Refusal(CloseCode.UNAUTHORIZED, 'token expired'),
  SUBJECT_MISMATCH: new Refusal(CloseCode.FORBIDDEN, 'subject mismatch'),
  SCOPE_WIDER: new Refusal(CloseCode.FORBIDDEN, 'scope wider'),
  TOKEN_REVOKED: new LogoutRefusal('token revoked'),
  // The reason is part of the protocol, in its first spelling.
  NOT_AUTHORIZED: new Refusal(CloseCode.FORBIDDEN, 'not authorized'),
  AUTH_TIMEOUT: new Refusal(CloseCode.AUTH_TIMEOUT, 'authentication timeout'),
  QUEUE_FULL: new Refusal(CloseCode.QUEUE_FULL, 'early frame queue full'),
  ALREADY_AUTHENTICATED: new Refusal(CloseCode.TOO_MANY, 'already authenticated'),
  REFRESH_PENDING: new Refusal(CloseCode.TOO_MANY, 'refresh pending'),
  TOO_MANY_REFRESHES: new Refusal(CloseCode.TOO_MANY, 'too many refreshes'),
  TOO_MANY_PENDING: new Refusal(CloseCode.TOO_MANY, 'too many unauthenticated connections'),
  FULL: new Refusal(CloseCode.TRY_AGAIN_LATER, 'too many unauthenticated connections'),
  INTERNAL_ERROR: new Refusal(CloseCode.INTERNAL_ERROR, 'internal error')
} as const
