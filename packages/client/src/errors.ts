import type { Retry } from '@fastify-airlock/protocol'

/**
 * Codes of {@link AirlockError}.
 * - `WSA_CLIENT_ERR_OPTIONS`: an option, or what `getToken` gave, cannot be used; its message names it
 * - `WSA_CLIENT_ERR_NO_WEBSOCKET`: there is no `globalThis.WebSocket` and none was given; thrown by `connect`
 * - `WSA_CLIENT_ERR_UNAUTHENTICATED`: sign in again: the ticket request was answered 401, the socket closed with 4401, or there is no JWT
 * - `WSA_CLIENT_ERR_FORBIDDEN`: signed in, but not allowed: 403 or 4403
 * - `WSA_CLIENT_ERR_REFUSED`: refused for good in another way; `status` or `closeCode` tells
 * - `WSA_CLIENT_ERR_UNREACHABLE`: no answer, or one that says "later"
 * - `WSA_CLIENT_ERR_TIMEOUT`: an attempt, or the answer to a refresh, took too long
 * - `WSA_CLIENT_ERR_PROTOCOL`: the server selected a subprotocol that was not offered
 * - `WSA_CLIENT_ERR_MESSAGE`: the codec could not decode a message, which is dropped
 * - `WSA_CLIENT_ERR_CLOSED`: the connection is over, or, for `refresh()`, not open
 * - `WSA_CLIENT_ERR_QUEUE_FULL`: more was sent than may wait
 * - `WSA_CLIENT_ERR_OVERFLOW`: more messages came than may wait for an iteration
 */
export type ErrorCode = `WSA_CLIENT_ERR_${Reason}`

/** What sets the codes apart. */
export type Reason =
  'OPTIONS' | 'NO_WEBSOCKET' | 'UNAUTHENTICATED' | 'FORBIDDEN' | 'REFUSED' | 'UNREACHABLE' | 'TIMEOUT' | 'PROTOCOL' |
  'MESSAGE' | 'CLOSED' | 'QUEUE_FULL' | 'OVERFLOW'

/** The longest time that a server is believed to want, in milliseconds. */
const LONGEST_WAIT = 3_600_000

/** What an error may tell besides its code. */
export interface ErrorDetails {
  status?: number | undefined
  closeCode?: number | undefined
  /** @default false */
  final?: boolean
  /** @default 'later' for `UNREACHABLE` and `TIMEOUT`, 'never' for the others */
  retry?: Retry
  /**
   * Whatever is not a number above 0 is 0; an hour is the most.
   * @default 0
   */
  wait?: number
  cause?: unknown
}

/** What may go wrong, with the code that names it. Its message never holds a ticket or a JWT. */
export class AirlockError extends Error {
  override readonly name = 'AirlockError'
  declare readonly code: ErrorCode
  /** HTTP status of the ticket request, where that was what failed. */
  declare readonly status: number | undefined
  /** Close code of the socket, where that was what ended. */
  declare readonly closeCode: number | undefined
  /** Whether the connection is over with it. */
  declare readonly final: boolean
  /** Whether the same can be tried again: at once with a new ticket, after a back-off, or never. */
  declare readonly retry: Retry
  /** How long the server wants to be left alone, in milliseconds; 0 where it did not say. */
  declare readonly wait: number

  constructor (code: ErrorCode, message: string, { cause, wait = 0, ...details }: ErrorDetails = {}) {
    super(message, { cause })
    Object.assign(this, {
      final: false,
      retry: /UNR|TIM/.test(code) ? 'later' : 'never',
      wait: wait > 0 ? Math.min(wait, LONGEST_WAIT) : 0,
      ...details,
      code
    })
  }
}

/**
 * Makes an {@link AirlockError}.
 *
 * @param reason what follows the prefix in its code
 * @param detail what the message adds to the code
 */
export function fault (reason: Reason, detail?: string | number, details?: ErrorDetails): AirlockError {
  const code: ErrorCode = `WSA_CLIENT_ERR_${reason}`
  return new AirlockError(code, detail ? `${code}: ${detail}` : code, details)
}
