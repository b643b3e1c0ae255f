import type { CloseCode } from '@fastify-airlock/protocol'
import { fault, type AirlockError, type Reason } from './errors.js'

// What `retryAfterClose` of the protocol says, in a fifth of its bytes; a test holds the two together.
const NEVER: readonly number[] = [1000, 1009, 4400, 4403, 4409] satisfies CloseCode[]
const WITH_A_TICKET: readonly number[] = [4401, 4408, 4413] satisfies CloseCode[]

/**
 * Judges what answered a request for a ticket or a JWT, or was thrown instead. 408 and 425 speak of the moment and not
 * of the request, so they are worth another attempt as 429 is.
 *
 * @param answer a `Response`, or an error with its `status`, or any other
 */
export function judgeAnswer (answer: unknown): AirlockError {
  const { status, headers } = Object(answer) as { status?: number, headers?: Partial<Headers> | null }
  const refused = /^4(?!08|25|29)/.test(`${status}`)
  const after = headers?.get?.('retry-after') ?? ''
  // Seconds, or a date (RFC 9110, section 10.2.3).
  const wait = Number(after) * 1000 || Date.parse(after) - Date.now()
  return fault(
    refused ? refusal(status as number) : 'UNREACHABLE',
    status,
    { status, wait, cause: answer }
  )
}

/**
 * Judges the end of a socket (PROTOCOL.md, sections 8 and 9).
 *
 * @param code 1006 where there was none
 * @param early whether it had a ticket and there was no 101: 1006 is all that a browser tells of a refusal, so that a
 *   fresh ticket is worth one more try
 * @param tokens whether a fresh JWT can be had; without one, 4401 stays 4401
 */
export function judgeClose (code: number, reason: string, early: unknown, tokens: unknown): AirlockError {
  const unauthorized = code === (4401 satisfies typeof CloseCode.UNAUTHORIZED)
  const never = NEVER.includes(code) || (unauthorized && !tokens)
  let wait = 0
  try {
    if (code === (1012 satisfies typeof CloseCode.SERVICE_RESTART)) wait = JSON.parse(reason).retryAfter
  } catch {
    // Text for people.
  }
  return fault(
    never || unauthorized ? refusal(code - 4000) : 'UNREACHABLE',
    code,
    {
      closeCode: code,
      retry: never ? 'never' : WITH_A_TICKET.includes(code) || early ? 'ticket' : 'later',
      wait
    }
  )
}

function refusal (status: number): Reason {
  return status === 401 ? 'UNAUTHENTICATED' : status === 403 ? 'FORBIDDEN' : 'REFUSED'
}
