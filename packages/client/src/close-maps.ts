import { MAX_REASON_BYTES, truncateReason } from '@fastify-airlock/protocol'
import type { AirlockError } from './errors.js'

/** How a socket, or the attempt to get one, ended. */
export interface SocketEnd {
  /** What the server closed with; 1006 when there was no close frame. */
  code: number
  reason: string
  /** With `final: true`, another attempt would fail in the same way, and sockets of this class for this URL make none. */
  error: AirlockError
}

/** What the library gets to see of a {@link SocketEnd}. */
export interface CloseReport {
  /** Of the `close` event: from 1000 to 4999. */
  code: number
  reason: string
  /**
   * Whether the `error` event of a socket that was never open has `code` and `reason` too. graphql-ws retries only after what
   * looks like a close.
   * @default false
   */
  onError?: boolean
}

/** Says with which code a library is told how a socket ended. */
export type CloseMap = (end: SocketEnd) => CloseReport

/** Close codes without a meaning of their own in this protocol that libraries take for "later": lost, restart, overloaded. */
const LATER = [1000, 1001, 1005, 1006, 1012, 1013, 1014]

/** Codes of applications (PROTOCOL.md, section 8). */
function ofApplication (code: number): boolean {
  return (code >= 3000 && code < 4400) || (code >= 4600 && code < 5000)
}

function told (code: number, end: SocketEnd): CloseReport {
  return code === end.code
    ? { code, reason: end.reason }
    : { code, reason: truncateReason(`${end.code} ${end.reason}`.trim(), MAX_REASON_BYTES) }
}

function never ({ code, error }: SocketEnd): number {
  if (code === 4409) return code
  return /UNAUTH|LOGGED/.test(error.code) ? 4401 : 4400
}

function later ({ code }: SocketEnd): number {
  return LATER.includes(code) || ofApplication(code) ? code : 1013
}

const any: CloseMap = end => told(end.error.final ? never(end) : later(end), end)

/**
 * The {@link CloseMap}s. Where a code is replaced, the reason begins with the server's own.
 * - `any`, the default: "never" becomes 4401 (sign in), 4409 (replaced) or 4400 (anything else), after which every library
 *   that knows of final codes stops; "later" becomes 1013 where a library could take the code for final. 1000, 1001, 1012 to
 *   1014 and the codes of applications stay
 * - `graphqlWs`: the same, and an attempt that fails before it is open can be retried: graphql-ws, Apollo, urql
 * - `yWebsocket`: the same, but a final code from 4400 to 4499 stays, since y-websocket stops after each of them
 * - `none`: every code as it came, for a library that is told by `retryAfterClose` of `@fastify-airlock/protocol`
 */
export const closeMaps = {
  any,
  graphqlWs: end => ({ ...any(end), onError: true }),
  yWebsocket: end => end.error.final && end.code >= 4400 && end.code < 4500 ? told(end.code, end) : any(end),
  none: ({ code, reason }) => ({ code, reason })
} as const satisfies Record<string, CloseMap>
