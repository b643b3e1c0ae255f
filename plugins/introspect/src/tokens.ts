import { MAX_CONTROL_BYTES } from '@fastify-airlock/protocol'
import type { IncomingHttpHeaders } from 'node:http'
import type { IntrospectAuthenticator } from './types.js'

/** The part of a Fastify request that can carry a token. */
export interface TokenSource {
  headers: IncomingHttpHeaders
  query: unknown
}

/**
 * Every token that a request has on the given carriers, as it was sent. A repeated cookie or parameter counts each
 * time. Subprotocols are the guard's matter, which also sees to it that none is echoed.
 */
export function findTokens ({ headers, query }: TokenSource, carriers: IntrospectAuthenticator['carriers']): string[] {
  const found: string[] = []
  if (carriers.header === true && headers.authorization !== undefined) {
    const [scheme = '', value = ''] = headers.authorization.split(' ', 2)
    if (scheme.toLowerCase() === 'bearer') found.push(value)
  }
  if (carriers.query !== undefined) {
    // A hook runs before schema validation, so a repeated parameter is an array here.
    const value = (query as Record<string, string | string[] | undefined>)[carriers.query]
    if (value !== undefined) found.push(...[value].flat())
  }
  if (carriers.cookie !== undefined && headers.cookie !== undefined) {
    // Read from the header itself: a parser keeps one of several cookies of a name, and a sibling domain can set another.
    for (const pair of headers.cookie.split(';')) {
      const equals = pair.indexOf('=')
      if (pair.slice(0, equals).trim() === carriers.cookie) found.push(pair.slice(equals + 1).trim())
    }
  }
  return found
}

const QUOTED = /^"(.*)"$/
const PRINTABLE = /^[\x20-\x7e]+$/

/**
 * The token as its authority knows it. Cookies are quoted and percent-encoded by many a framework, and no bearer token
 * has a quote or a percent sign of its own (RFC 6750, section 2.1).
 *
 * @returns `null` where it can be none, and nobody needs to be asked
 */
export function readToken (raw: string): string | null {
  if (raw.length > MAX_CONTROL_BYTES) return null
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
