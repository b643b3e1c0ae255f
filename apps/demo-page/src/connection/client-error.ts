import type { AirlockError, ErrorCode } from '@fastify-airlock/client'

/** The parts of a client's error that the page shows. */
export type ClientError = Pick<AirlockError, 'code' | 'status' | 'closeCode'>

const WORDS: Partial<Record<ErrorCode, string>> = {
  WSA_CLIENT_ERR_UNREACHABLE: 'The server cannot be reached.',
  WSA_CLIENT_ERR_TIMEOUT: 'The server did not answer in time.',
  WSA_CLIENT_ERR_UNAUTHENTICATED: 'You are not logged in.'
}

/** Describes an error of the client in a sentence. */
export function describeClientError ({ code, status, closeCode }: ClientError): string {
  if (status !== undefined) return `The server answered the ticket request with HTTP ${status}.`
  if (closeCode !== undefined && closeCode !== 1006) return `Closed with ${closeCode}.`
  return WORDS[code] ?? `Failed with ${code}.`
}
