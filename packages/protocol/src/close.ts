import { MAX_REASON_BYTES } from './constants.js'

/**
 * The close codes of the protocol. The 44xx are 4000 plus the HTTP status of the same meaning, as in graphql-ws;
 * the four-digit codes below 3000 are those of RFC 6455 (section 7.4.1) and its IANA registry.
 */
export const CloseCode = {
  /** The client closed, or the server closed with nothing to report. */
  NORMAL: 1000,
  /** The server is going away. */
  GOING_AWAY: 1001,
  /** A message exceeded the server's largest payload. */
  MESSAGE_TOO_BIG: 1009,
  /** The server restarts. */
  SERVICE_RESTART: 1012,
  /** The server is overloaded. */
  TRY_AGAIN_LATER: 1013,
  /** A server behind this one failed. */
  BAD_GATEWAY: 1014,
  /** The first frame is not a well-formed `auth` message. */
  BAD_REQUEST: 4400,
  /** The JWT is missing, invalid or expired. */
  UNAUTHORIZED: 4401,
  /** The JWT is valid but not accepted: another subject than the ticket's, revoked, wider scope, not authorized. */
  FORBIDDEN: 4403,
  /** No `auth` message arrived in time. */
  AUTH_TIMEOUT: 4408,
  /** Another connection of the same user replaced this one. */
  REPLACED: 4409,
  /** The login has ended, for example by a logout: to clients that asked for this code in `auth`; the others get 4403. */
  LOGGED_OUT: 4410,
  /** More messages arrived than the server keeps before `auth_ok`, or the handler did not listen to those after it. */
  QUEUE_FULL: 4413,
  /** A second `auth`, a `refresh` while another one is under way, or too many connections or messages. */
  TOO_MANY: 4429,
  /** The server failed. */
  INTERNAL_ERROR: 4500
} as const

/** One of the protocol's close codes. */
export type CloseCode = typeof CloseCode[keyof typeof CloseCode]

/**
 * What a client does after a close.
 * - `never`: the same attempt would fail in the same way; tell the user, or sign in again
 * - `ticket`: connect again with a new ticket and a fresh JWT
 * - `later`: connect again with a new ticket after a back-off
 */
export type Retry = 'never' | 'ticket' | 'later'

// Numbers, so that a page that only needs `retryAfterClose` does not include the names in `CloseCode`.
const NEVER: readonly number[] = [1000, 1009, 4400, 4403, 4409, 4410] satisfies CloseCode[]
const WITH_A_TICKET: readonly number[] = [4401, 4408, 4413] satisfies CloseCode[]

/**
 * Returns what a client should do after a connection ended with `code`. A code that the protocol does not name means
 * `later`, and so does 1006 (no close frame).
 *
 * @example
 * socket.onclose = ({ code }) => { if (retryAfterClose(code) !== 'never') reconnect() }
 */
export function retryAfterClose (code: number): Retry {
  return NEVER.includes(code) ? 'never' : WITH_A_TICKET.includes(code) ? 'ticket' : 'later'
}

const encoder = /* @__PURE__ */ new TextEncoder()
const decoder = /* @__PURE__ */ new TextDecoder()

/**
 * Cuts a close reason to what a close frame can hold: by bytes, but never inside a character. `ws` and browsers throw
 * for a longer one.
 *
 * @param reason any text
 * @param limit in bytes of UTF-8
 * @default limit MAX_REASON_BYTES
 */
export function truncateReason (reason: string, limit: number = MAX_REASON_BYTES): string {
  // A UTF-16 code unit takes at most three bytes.
  if (reason.length * 3 <= limit) return reason
  const bytes = encoder.encode(reason)
  if (bytes.length <= limit) return reason
  let end = limit
  // 0b10xxxxxx continues a character: go back to its first byte.
  while (((bytes[end] as number) & 0xc0) === 0x80) end--
  return decoder.decode(bytes.subarray(0, end))
}
