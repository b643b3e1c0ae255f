import { type CloseCode, retryAfterClose } from '@fastify-airlock/protocol'
import { fault, type AirlockError, type Reason } from './errors.js'

/**
 * Judges what answered a request for a ticket or a JWT, or was thrown instead (PROTOCOL.md, section 9).
 *
 * @param answer a `Response`, or an error with its `status`, or any other
 */
export function judgeAnswer (answer: unknown): AirlockError {
  const { status, headers } = Object(answer) as { status?: number, headers?: Partial<Headers> | null }
  const refused = /^4(?!29)/.test(`${status}`)
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
  const retry = unauthorized && !tokens ? 'never' : retryAfterClose(code)
  let wait = 0
  try {
    if (code === (1012 satisfies typeof CloseCode.SERVICE_RESTART)) wait = JSON.parse(reason).retryAfter
  } catch {
    // Text for people.
  }
  return fault(
    retry === 'never' || unauthorized ? refusal(code - 4000) : 'UNREACHABLE',
    code,
    {
      closeCode: code,
      retry: retry === 'later' && early ? 'ticket' : retry,
      wait
    }
  )
}

function refusal (status: number): Reason {
  return status === 401 ? 'UNAUTHENTICATED' : status === 403 ? 'FORBIDDEN' : 'REFUSED'
}
