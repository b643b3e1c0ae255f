import { CloseCode } from '@fastify-airlock/protocol'

/** Close code of a gateway whose upstream failed, from the IANA registry of RFC 6455. */
export const BAD_GATEWAY = 1014

/** What stands for a close frame without a code (RFC 6455, section 7.4.1). */
export const NO_CODE = 1005

/** Codes with which `ws` closes a peer that breaks the protocol: malformed frames, invalid UTF-8, too long a message. */
const PROTOCOL_ERRORS: ReadonlyArray<number | undefined> = [1002, 1007, 1008, 1009]

/** Whether `ws` itself may have closed a peer with this code. */
export function isProtocolError (code: number | undefined): boolean {
  return PROTOCOL_ERRORS.includes(code)
}

/** A close frame to send. */
export interface Closing {
  code: number
  reason: string
}

const UPSTREAM_LOST: Closing = { code: BAD_GATEWAY, reason: 'upstream connection lost' }
const CLIENT_LOST: Closing = { code: CloseCode.GOING_AWAY, reason: 'client connection lost' }

/** Close frame for the client when the upstream has closed with `code`. */
export function closingForClient (code: number, reason: string): Closing {
  return carryOver(code, reason, UPSTREAM_LOST)
}

/** Close frame for the upstream when the client has closed with `code`. */
export function closingForUpstream (code: number, reason: string): Closing {
  return carryOver(code, reason, CLIENT_LOST)
}

/**
 * The same for a side that closed before it had taken all that the other side had sent: 1000 would say that it had. Other
 * codes do not.
 */
export function closingAfterLoss (closing: Closing, to: 'client' | 'upstream'): Closing {
  if (closing.code !== CloseCode.NORMAL) return closing
  return to === 'client' ? { code: BAD_GATEWAY, reason: 'upstream closed early' } : { code: CloseCode.GOING_AWAY, reason: 'client closed early' }
}

/**
 * RFC 6455, section 7.4.1: 1004, 1005, 1006 and 1015 are never sent. 1005 stands for a close frame without a code; the
 * others, and everything out of range, for a connection that was lost.
 */
function carryOver (code: number, reason: string, lost: Closing): Closing {
  if (code === NO_CODE) return { code: CloseCode.NORMAL, reason: '' }
  const sendable = (code >= 1000 && code <= 1014 && code !== 1004 && code !== 1006) || (code >= 3000 && code <= 4999)
  return sendable ? { code, reason } : lost
}
