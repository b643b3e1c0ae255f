import type { AirlockError, ErrorCode } from '@fastify-airlock/client'

/** What of the client's error is told to the user. */
export type ClientError = Pick<AirlockError, 'code' | 'status' | 'closeCode'>

const WORDS: Partial<Record<ErrorCode, string>> = {
  WSA_CLIENT_ERR_UNREACHABLE: 'The server cannot be reached.',
  WSA_CLIENT_ERR_TIMEOUT: 'The server did not answer in time.',
  WSA_CLIENT_ERR_UNAUTHENTICATED: 'Nobody is logged in.'
}

/** An error of the client in a sentence. */
export function describeClientError ({ code, status, closeCode }: ClientError): string {
  if (status !== undefined) return `The ticket request was answered HTTP ${status}.`
  if (closeCode !== undefined && closeCode !== 1006) return `Closed with ${closeCode}.`
  return WORDS[code] ?? `It failed with ${code}.`
}
