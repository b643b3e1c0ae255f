/**
 * Codes of {@link AirlockError}.
 * - `WSA_CLIENT_ERR_OPTIONS`: an option can not be used; thrown by `connect`
 * - `WSA_CLIENT_ERR_NO_WEBSOCKET`: there is no `globalThis.WebSocket` and none was given; thrown by `connect`
 * - `WSA_CLIENT_ERR_UNAUTHENTICATED`: sign in again: the ticket request was answered 401, the socket closed with 4401, or there is no JWT
 * - `WSA_CLIENT_ERR_FORBIDDEN`: signed in, but not allowed: 403 or 4403
 * - `WSA_CLIENT_ERR_REFUSED`: refused for good in another way; `status` or `closeCode` tells
 * - `WSA_CLIENT_ERR_UNREACHABLE`: no answer, or one that says "later"
 * - `WSA_CLIENT_ERR_TIMEOUT`: an attempt, or the answer to a refresh, took too long
 * - `WSA_CLIENT_ERR_PROTOCOL`: the server selected a subprotocol that was not offered
 * - `WSA_CLIENT_ERR_MESSAGE`: the codec could not decode a message, which is dropped
 * - `WSA_CLIENT_ERR_CLOSED`: the connection is over
 * - `WSA_CLIENT_ERR_QUEUE_FULL`: more was sent than may wait
 * - `WSA_CLIENT_ERR_OVERFLOW`: more messages came than may wait for an iteration
 */
export type ErrorCode = `WSA_CLIENT_ERR_${
  'OPTIONS' | 'NO_WEBSOCKET' | 'UNAUTHENTICATED' | 'FORBIDDEN' | 'REFUSED' | 'UNREACHABLE' | 'TIMEOUT' | 'PROTOCOL' |
  'MESSAGE' | 'CLOSED' | 'QUEUE_FULL' | 'OVERFLOW'}`

/** What may go wrong, with the code that names it. Its message never holds a ticket or a JWT. */
export class AirlockError extends Error {
  override readonly name = 'AirlockError'
  readonly code: ErrorCode
  /** HTTP status of the ticket request, where that was what failed. */
  readonly status: number | undefined
  /** Close code of the socket, where that was what ended. */
  readonly closeCode: number | undefined
  /** Whether the connection is over with it. */
  readonly final: boolean

  constructor (code: ErrorCode, message: string, { status, closeCode, final = false, cause }: {
    status?: number | undefined, closeCode?: number | undefined, final?: boolean, cause?: unknown
  } = {}) {
    super(message, { cause })
    this.code = code
    this.status = status
    this.closeCode = closeCode
    this.final = final
  }
}
