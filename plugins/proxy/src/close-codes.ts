import { CloseCode } from '@fastify-airlock/protocol'

/** Close code of a gateway whose upstream failed, from the IANA registry of RFC 6455. */
export const BAD_GATEWAY = 1014

/** A close frame to send. */
export interface Closing {
  code: number
  reason: string
}

/** Close frame for the client when the upstream has closed with `code`. */
export function closingForClient (code: number, reason: string): Closing {
  return carryOver(code, reason, { code: BAD_GATEWAY, reason: 'upstream connection lost' })
}

/** Close frame for the upstream when the client has closed with `code`. */
export function closingForUpstream (code: number, reason: string): Closing {
  return carryOver(code, reason, { code: CloseCode.GOING_AWAY, reason: 'client connection lost' })
}

/**
 * RFC 6455, section 7.4.1: 1004, 1005, 1006 and 1015 are never sent. 1005 stands for a close frame without a code; the
 * others, and everything out of range, for a connection that was lost.
 */
function carryOver (code: number, reason: string, lost: Closing): Closing {
  if (code === 1005) return { code: CloseCode.NORMAL, reason: '' }
  const sendable = (code >= 1000 && code <= 1014 && code !== 1004 && code !== 1006) || (code >= 3000 && code <= 4999)
  return sendable ? { code, reason } : lost
}
