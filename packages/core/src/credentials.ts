import type { IncomingHttpHeaders } from 'node:http'

/** Where a credential may travel on a request. A carrier that is left out is not read. */
export interface Carriers {
  /** A prefix of the subprotocol value: `ticket.` or `bearer.`. */
  subprotocol?: string
  /** Name of a cookie. */
  cookie?: string
  /** Name of a query parameter. Proxies, access logs, histories and traces keep URLs. */
  query?: string
  /** Whether `Authorization: Bearer` is read, for clients that can set headers. */
  header?: boolean
}

/** A credential as it was found. */
export interface Credential {
  carrier: keyof Carriers
  value: string
}

/** The part of a Fastify request that can carry a credential. */
export interface CredentialSource {
  headers: IncomingHttpHeaders
  query: unknown
  /** Node's request, where repeated headers can be seen: of several `Authorization`, `headers` has one. */
  raw?: { rawHeaders?: readonly string[] }
}

/**
 * Finds every credential that the request has on the given carriers. A repeated cookie, parameter or `Authorization`
 * counts each time, the last whatever the scheme of each: systems choose different ones of them.
 *
 * @param offered the subprotocols that the client offered; empty outside of an upgrade
 */
export function findCredentials (source: CredentialSource, offered: ReadonlySet<string>, carriers: Carriers): Credential[] {
  const found: Credential[] = []
  if (carriers.subprotocol !== undefined) {
    for (const protocol of offered) {
      if (protocol.startsWith(carriers.subprotocol)) {
        found.push({ carrier: 'subprotocol', value: protocol.slice(carriers.subprotocol.length) })
      }
    }
  }
  if (carriers.header === true && source.headers.authorization !== undefined) {
    const { authorization } = source.headers
    const isRepeated = countHeader(source.raw?.rawHeaders, 'authorization') > 1
    if (isRepeated || BEARER.test(authorization)) found.push({ carrier: 'header', value: TOKEN.exec(authorization)?.[1] ?? '' })
    if (isRepeated) found.push({ carrier: 'header', value: '' })
  }
  if (carriers.query !== undefined) {
    // Hooks run before schema validation, so a repeated parameter is an array here.
    const value = (source.query as Record<string, unknown>)[carriers.query]
    if (value !== undefined) {
      for (const one of [value].flat()) found.push({ carrier: 'query', value: String(one) })
    }
  }
  if (carriers.cookie !== undefined && source.headers.cookie !== undefined) {
    // Read from the header itself: a parser keeps one of several cookies of a name, and a sibling domain can set another.
    for (const pair of source.headers.cookie.split(';')) {
      const equals = pair.indexOf('=')
      // Without `=` it is the value of a cookie that has no name (RFC 6265bis, section 5.6).
      if (equals !== -1 && trim(pair.slice(0, equals)) === carriers.cookie) {
        found.push({ carrier: 'cookie', value: trim(pair.slice(equals + 1)) })
      }
    }
  }
  return found
}

const BEARER = /^bearer(?: |$)/i

/** All that follows the scheme (RFC 9110, section 11.4): a token with something behind it is not that token. */
const TOKEN = /^\S+ +(.*)$/

/**
 * How often a header was sent.
 *
 * @param rawHeaders as in Node's request: names and values by turns; none without a network, as with `injectWS`
 * @param name in lower case
 */
export function countHeader (rawHeaders: readonly string[] = [], name: string): number {
  let count = 0
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const other = rawHeaders[i] as string
    if (other.length === name.length && other.toLowerCase() === name) count++
  }
  return count
}

/** Takes away what RFC 6265, section 5.2, calls white space. `String.trim` takes more, so that another name becomes this one. */
function trim (text: string): string {
  let start = 0
  let end = text.length
  while (start < end && isBlank(text.charCodeAt(start))) start++
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--
  return text.slice(start, end)
}

function isBlank (code: number): boolean {
  return code === 0x20 || code === 0x09
}
