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
}

/**
 * Finds every credential that the request has on the given carriers. A repeated cookie or parameter counts each time.
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
    const [scheme = '', value = ''] = source.headers.authorization.split(' ', 2)
    if (scheme.toLowerCase() === 'bearer') found.push({ carrier: 'header', value })
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
      if (pair.slice(0, equals).trim() === carriers.cookie) {
        found.push({ carrier: 'cookie', value: pair.slice(equals + 1).trim() })
      }
    }
  }
  return found
}
