import { CloseCode } from '@fastify-airlock/protocol'

/** Close code of a gateway whose upstream failed, in the IANA registry of RFC 6455. */
export const BAD_GATEWAY = 1014

/** A close frame to be sent. */
export interface Closing {
  code: number
  reason: string
}

/** What the client is told when the upstream has closed with `code`. */
export function closingForClient (code: number, reason: string): Closing {
  return carryOver(code, reason, { code: BAD_GATEWAY, reason: 'upstream connection lost' })
}

/** What the upstream is told when the client has closed with `code`. */
export function closingForUpstream (code: number, reason: string): Closing {
  return carryOver(code, reason, { code: CloseCode.GOING_AWAY, reason: 'client connection lost' })
}

/**
 * RFC 6455, section 7.4.1: 1004, 1005, 1006 and 1015 are never sent. 1005 says that a close frame had no code; the
 * others, and everything out of range, that there was no proper close.
 */
function carryOver (code: number, reason: string, lost: Closing): Closing {
  if (code === 1005) return { code: CloseCode.NORMAL, reason: '' }
  const sendable = (code >= 1000 && code <= 1014 && code !== 1004 && code !== 1006) || (code >= 3000 && code <= 4999)
  return sendable ? { code, reason } : lost
}
