import { CloseCode, retryAfterClose, type Retry } from '@fastify-airlock/protocol'
import { AirlockError, type ErrorCode } from './errors.js'

/** The longest `retryAfter` of a 1012 that is believed, in milliseconds. */
const LONGEST_SPREAD = 300_000

/** What an ending means for the next attempt. */
export interface Verdict {
  /** Not yet `final`: that depends on the options as well. */
  error: AirlockError
  retry: Retry
  /** No attempt earlier than in so many milliseconds. */
  wait: number
  /** Whether the server has spread its clients already, so that `wait` stands in for the first back-off. */
  spread: boolean
}

/** @returns that no attempt with these options can succeed */
export function never (code: ErrorCode, message: string): Verdict {
  return verdict('never', new AirlockError(code, message))
}

/** @returns that another attempt may succeed, after a back-off */
export function unreachable (message: string, cause?: unknown): Verdict {
  return verdict('later', new AirlockError('WSA_CLIENT_ERR_UNREACHABLE', message, { cause }))
}

/** @returns that it took too long */
export function timedOut (what: string): Verdict {
  return verdict('later', new AirlockError('WSA_CLIENT_ERR_TIMEOUT', `${what} took too long`))
}

/**
 * Judges what answered a request for a ticket or a JWT, or was thrown instead. 408 and 425 speak of the moment and not
 * of the request, so they are worth another attempt as 429 is.
 *
 * @param answer a `Response`, or an error with its `status`, or any other
 */
export function judgeAnswer (answer: unknown): Verdict {
  const { status, headers } = Object(answer) as { status?: unknown, headers?: Partial<Headers> | null }
  if (typeof status !== 'number') return unreachable('There was no answer', answer)
  const message = `The request was answered ${status}`
  if (status < 400 || status > 499 || status === 408 || status === 425 || status === 429) {
    return verdict('later', new AirlockError('WSA_CLIENT_ERR_UNREACHABLE', message, { status }), readRetryAfter(headers?.get?.('retry-after')))
  }
  return verdict('never', new AirlockError(refusal(status), message, { status }))
}

/**
 * Judges the end of a socket (PROTOCOL.md, sections 8 and 9).
 *
 * @param code 1006 where there was none
 * @param opened whether the 101 came; without it 1006 is all that a browser tells of a refusal, so that a fresh ticket
 *   is worth one more try
 * @param tickets whether the next attempt has a ticket of its own
 * @param tokens whether the next attempt has a JWT of its own
 */
export function judgeClose (code: number, reason: string, opened: boolean, tickets: boolean, tokens: boolean): Verdict {
  let retry = retryAfterClose(code)
  if (!opened && tickets && retry === 'later') retry = 'ticket'
  const unauthenticated = code === CloseCode.UNAUTHORIZED
  // Nothing would be fresh about the next attempt.
  if (unauthenticated && !tickets && !tokens) retry = 'never'
  const error = new AirlockError(
    retry === 'never' || unauthenticated ? refusal(code - 4000) : 'WSA_CLIENT_ERR_UNREACHABLE',
    opened ? `The socket closed with ${code}` : 'The upgrade was refused, or there is no way to the server',
    { closeCode: code }
  )
  const spread = code === CloseCode.SERVICE_RESTART ? readSpread(reason) : -1
  return { error, retry, wait: Math.max(spread, 0), spread: spread >= 0 }
}

function verdict (retry: Retry, error: AirlockError, wait = 0): Verdict {
  return { error, retry, wait, spread: false }
}

function refusal (status: number): ErrorCode {
  return `WSA_CLIENT_ERR_${status === 401 ? 'UNAUTHENTICATED' : status === 403 ? 'FORBIDDEN' : 'REFUSED'}`
}

/** Seconds, or a date (RFC 9110, section 10.2.3). @returns milliseconds from now */
function readRetryAfter (value: string | null | undefined): number {
  const wait = /^\d+$/.test(value ?? '') ? Number(value) * 1000 : Date.parse(value ?? '') - Date.now()
  return wait > 0 ? wait : 0
}

/** @returns milliseconds; -1 where the reason is plain text */
function readSpread (reason: string): number {
  try {
    const { retryAfter } = JSON.parse(reason) as { retryAfter?: unknown }
    return typeof retryAfter === 'number' && retryAfter >= 0 ? Math.min(retryAfter, LONGEST_SPREAD) : -1
  } catch {
    return -1
  }
}
