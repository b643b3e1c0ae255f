import { type Carriers, type Credential, type CredentialSource, findCredentials } from '@fastify-airlock/core'

// The guard reads subprotocols, and makes sure that no token is echoed.
const NO_PROTOCOLS: ReadonlySet<string> = new Set()

/** Finds every token that a request has on the given carriers, as it was sent. */
export function findTokens (source: CredentialSource, carriers: Carriers): Credential[] {
  return findCredentials(source, NO_PROTOCOLS, carriers)
}

const QUOTED = /^"(.*)"$/
const PRINTABLE = /^[\x20-\x7e]+$/

/**
 * Restores the token as its authority knows it. Many frameworks quote and percent-encode cookies, and no bearer token
 * has a quote or a percent sign of its own (RFC 6750, section 2.1).
 *
 * @param maxBytes a longer string is no token
 * @returns `null` for a string that cannot be a token, so that nobody needs to be asked
 */
export function readToken (raw: string, maxBytes: number): string | null {
  if (raw.length > maxBytes) return null
  const token = decode(raw.replace(QUOTED, '$1'))
  return PRINTABLE.test(token) ? token : null
}

function decode (text: string): string {
  if (!text.includes('%')) return text
  try {
    return decodeURIComponent(text)
  } catch {
    return ''
  }
}
