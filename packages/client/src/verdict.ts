import { type CloseCode, retryAfterClose } from '@fastify-airlock/protocol'
import { fault, type AirlockError, type Reason } from './errors.js'

/** HTTP statuses, and close codes less 4000, that say more than "refused". */
const REFUSALS: Partial<Record<number, Reason>> = { 401: 'UNAUTHENTICATED', 403: 'FORBIDDEN' }

/** HTTP statuses below 500 that say "later". 421: another connection may lead to the right server. */
const LATER = [408, 421, 425, 429]

/**
 * Judges the outcome of a request for a ticket or a JWT (PROTOCOL.md, section 9).
 *
 * @param answer what came back or was thrown: a `Response`, an error with a `status`, or anything else
 */
export function judgeAnswer (answer: unknown): AirlockError {
  const { status, headers } = Object(answer) as { status?: number, headers?: Partial<Headers> | null }
  const after = headers?.get?.('retry-after') ?? ''
  // An answer that says when to come back does not refuse for good.
  const refused = status! >= 400 && status! < 500 && !LATER.includes(status!) && !after
  // Seconds, or a date (RFC 9110, section 10.2.3).
  const wait = +after * 1000 || Date.parse(after) - Date.now()
  return fault(
    refused ? refusal(status!) : 'UNREACHABLE',
    status,
    { status, wait, cause: answer }
  )
}

/**
 * Judges the end of a socket (PROTOCOL.md, sections 8 and 9).
 *
 * @param code 1006 when there was none
 * @param ticketUnanswered whether it had a ticket and got no 101. A browser shows any refusal as 1006, so a fresh
 *   ticket is worth one more try
 * @param hasTokens whether the application gives JWTs; without them, 4401 stays 4401
 * @param finalCodes codes of the application that say "never"
 */
export function judgeClose (
  code: number, reason: string, ticketUnanswered: unknown, hasTokens: unknown, finalCodes?: readonly number[]
): AirlockError {
  const unauthorized = code === (4401 satisfies typeof CloseCode.UNAUTHORIZED)
  const retry = (unauthorized && !hasTokens) || finalCodes?.includes(code) ? 'never' : retryAfterClose(code)
  let wait: any
  try {
    if (code === (1012 satisfies typeof CloseCode.SERVICE_RESTART)) wait = JSON.parse(reason).retryAfter
  } catch {
    // A reason for people.
  }
  return fault(
    code === (4410 satisfies typeof CloseCode.LOGGED_OUT) ? 'LOGGED_OUT' : retry === 'never' || unauthorized ? refusal(code - 4000) : 'UNREACHABLE',
    code,
    {
      closeCode: code,
      retry: retry === 'later' && ticketUnanswered ? 'ticket' : retry,
      wait
    }
  )
}

function refusal (status: number): Reason {
  return REFUSALS[status] ?? 'REFUSED'
}
