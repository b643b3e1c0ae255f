import type { Retry } from '@fastify-airlock/protocol'
import { LONGEST_WAIT } from './limits.js'

/**
 * Codes of {@link AirlockError}.
 * - `WSA_CLIENT_ERR_OPTIONS`: an option, or what `getToken` returned, cannot be used; the message names it
 * - `WSA_CLIENT_ERR_NO_WEBSOCKET`: there is no `globalThis.WebSocket`, none was given, and Node finds no `ws`; thrown by `connect`
 * - `WSA_CLIENT_ERR_UNAUTHENTICATED`: sign in again: the ticket request got a 401, the socket closed with 4401, or there is no JWT
 * - `WSA_CLIENT_ERR_FORBIDDEN`: signed in, but not allowed: 403 or 4403
 * - `WSA_CLIENT_ERR_LOGGED_OUT`: the login has ended: sign in again, if the user wants to; the socket closed with 4410
 * - `WSA_CLIENT_ERR_REFUSED`: refused for good for another reason; see `status` or `closeCode`
 * - `WSA_CLIENT_ERR_UNREACHABLE`: no answer, or one that says "later"
 * - `WSA_CLIENT_ERR_TIMEOUT`: an attempt, or the answer to a refresh, took too long
 * - `WSA_CLIENT_ERR_PROTOCOL`: the server selected a subprotocol that was not offered
 * - `WSA_CLIENT_ERR_MESSAGE`: the codec could not decode a message, which is dropped
 * - `WSA_CLIENT_ERR_CLOSED`: the connection is over, or, for `refresh()`, not open
 * - `WSA_CLIENT_ERR_QUEUE_FULL`: the send queue is full
 * - `WSA_CLIENT_ERR_OVERFLOW`: too many messages wait for an iteration, or for the snapshot of a topic
 * - `WSA_CLIENT_ERR_TOPICS_OFF`: the server has not confirmed that it has topics
 * - `WSA_CLIENT_ERR_TOPIC_REFUSED`: the server has refused a subscription, a publication or a look at who is there for good; `reason` says why
 * - `WSA_CLIENT_ERR_TOPIC_LEFT`: the server has ended a subscription or a look at who is there; `reason` says why
 * - `WSA_CLIENT_ERR_TOPIC_GAP`: messages of a topic were missed, and nobody listens for that
 * - `WSA_CLIENT_ERR_PRESENCE_OFF`: the server has not confirmed that it shows who is there
 * - `WSA_CLIENT_ERR_UNCERTAIN`: nobody knows whether a publication has arrived
 */
export type ErrorCode = `WSA_CLIENT_ERR_${Reason}`

/** The part of a code that differs. */
export type Reason =
  'OPTIONS' | 'NO_WEBSOCKET' | 'UNAUTHENTICATED' | 'FORBIDDEN' | 'LOGGED_OUT' | 'REFUSED' | 'UNREACHABLE' | 'TIMEOUT' | 'PROTOCOL' |
  'MESSAGE' | 'CLOSED' | 'QUEUE_FULL' | 'OVERFLOW' |
  'TOPICS_OFF' | 'TOPIC_REFUSED' | 'TOPIC_LEFT' | 'TOPIC_GAP' | 'UNCERTAIN' | 'PRESENCE_OFF'

/** Matches the codes whose `retry` is not `never` by default. */
const LATER = /REACH|TIME/

/** What an error may carry besides its code. */
export interface ErrorDetails {
  status?: number | undefined
  closeCode?: number | undefined
  /** @default false */
  final?: boolean
  /** @default 'later' for `UNREACHABLE` and `TIMEOUT`, 'never' for the others */
  retry?: Retry
  /**
   * At most an hour. Anything but a number above 0 counts as 0.
   * @default 0
   */
  wait?: number
  topic?: string | undefined
  reason?: string | undefined
  cause?: unknown
}

/** What went wrong, by its code. The message never contains a ticket or a JWT. */
export class AirlockError extends Error {
  override readonly name = 'AirlockError'
  declare readonly code: ErrorCode
  /** HTTP status of the ticket request, if that failed. */
  declare readonly status: number | undefined
  /** Close code of the socket, if that ended. */
  declare readonly closeCode: number | undefined
  /** Whether this error ended the connection. */
  declare readonly final: boolean
  /** Whether another attempt may succeed: at once with a new ticket, after a back-off, or never. */
  declare readonly retry: Retry
  /** How long the server asked to wait, in milliseconds; 0 if it did not ask. */
  declare readonly wait: number
  /** The topic, if it is about one. */
  declare readonly topic: string | undefined
  /** Why the server has refused or ended something of a topic, in its own word, such as `forbidden` or `evicted`. */
  declare readonly reason: string | undefined

  constructor (code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details)
    Object.assign(this, {
      final: false,
      retry: LATER.test(code) ? 'later' : 'never',
      ...details,
      wait: Math.max(0, Math.min(details.wait as number, LONGEST_WAIT)) || 0,
      code
    })
  }
}

/**
 * Creates an {@link AirlockError}.
 *
 * @param reason the part of the code after the prefix
 * @param detail what the message adds to the code
 */
export function fault (reason: Reason, detail?: string | number, details?: ErrorDetails): AirlockError {
  const code: ErrorCode = `WSA_CLIENT_ERR_${reason}`
  return new AirlockError(code, detail ? `${code}: ${detail}` : code, details)
}
