import type { FastifyRequest } from 'fastify'

/** The scheme of a page, and of the requests that it makes to its own server. */
export type Scheme = 'http' | 'https'

/**
 * Decides whether an Origin header is allowed.
 *
 * @param scheme of the request, where it is known: see {@link schemeOf}
 */
export type OriginCheck = (origin: string, host: string, scheme?: Scheme) => boolean | Promise<boolean>

/** An entry of an allow-list: an exact origin, a wildcard for subdomains, or a function of the origin. */
export type AllowedOrigin = string | ((origin: string) => boolean | Promise<boolean>)

/** `capacitor://localhost`, `chrome-extension://<id>`, and the `file://` of old web views. */
const OTHER_SCHEME = /^[a-z][a-z\d+.-]*:\/\/[^/?#\s]*$/

/**
 * Makes the check of an allow-list. Without a list, the Origin has to be `http` or `https` with the host of the request, and
 * with its scheme where that is known.
 *
 * The guard does this for upgrades. Routes that change something and take a cookie as the login need it as well:
 * `SameSite` ignores ports, and subdomains are the same site.
 *
 * @param allowed `https://app.example.com` (exact), `https://*.example.com` (any subdomain, not the domain itself), or a function
 * @param isGranted reads the answer of a function
 * @default isGranted only `true` allows
 * @returns a function of the Origin header, of `request.host` and of {@link schemeOf}; it is synchronous if no entry is a
 *   function
 * @throws {@link TypeError} when an entry is no origin
 */
export function createOriginCheck (allowed?: readonly string[]): (origin: string, host: string, scheme?: Scheme) => boolean
export function createOriginCheck (allowed?: readonly AllowedOrigin[], isGranted?: (answer: unknown) => boolean): OriginCheck
export function createOriginCheck (allowed?: readonly AllowedOrigin[], isGranted = (answer: unknown): boolean => answer === true): OriginCheck {
  if (allowed === undefined) return isSameHost
  const exact = new Set<string>()
  const wildcards: Array<{ start: string, end: string }> = []
  const functions: Array<Exclude<AllowedOrigin, string>> = []
  for (const entry of allowed) {
    if (typeof entry === 'function') functions.push(entry)
    else if (entry.includes('*')) wildcards.push(parseWildcard(entry))
    else exact.add(parseExact(entry))
  }
  const isListed = (origin: string): boolean => exact.has(origin) || wildcards.some(({ start, end }) =>
    origin.startsWith(start) && origin.endsWith(end) && isSubdomain(origin.slice(start.length, -end.length)))
  if (functions.length === 0) return isListed
  return async origin => {
    if (isListed(origin)) return true
    for (const allows of functions) {
      if (isGranted(await allows(origin))) return true
    }
    return false
  }
}

/**
 * The scheme that the client used, where the server can know it: on a TLS socket, and under `trustProxy` as the proxy says.
 * Without TLS and without such a header there may be a proxy with TLS in front that nothing is known of.
 */
export function schemeOf (request: FastifyRequest): Scheme | undefined {
  const scheme = toScheme(request.protocol)
  if (scheme === 'https') return 'https'
  // Only under `trustProxy` are there `ips`. Traefik says `ws` and `wss`.
  const forwarded = 'ips' in request ? request.headers['x-forwarded-proto'] : undefined
  return typeof forwarded === 'string' && toScheme(forwarded.slice(forwarded.lastIndexOf(',') + 1).trim()) === 'http' ? scheme : undefined
}

function toScheme (protocol: string | undefined): Scheme | undefined {
  switch (protocol?.toLowerCase()) {
    case 'http': case 'ws': return 'http'
    case 'https': case 'wss': return 'https'
  }
}

function isSameHost (origin: string, host: string, scheme?: Scheme): boolean {
  if (!isHost(host)) return false
  // The common case. Parsing URLs is most of the cost of this check.
  if (origin === `https://${host}`) return scheme !== 'http'
  if (origin === `http://${host}`) return scheme !== 'https'
  const url = parse(origin)
  if (url === null || !(url.protocol in DEFAULT_PORTS) || (scheme !== undefined && url.protocol !== `${scheme}:`)) return false
  // Browsers send an origin without anything else (RFC 6454, section 6.2): no user information, path or final slash.
  const text = origin.toLowerCase()
  if (text !== url.origin && text !== `${url.origin}:${DEFAULT_PORTS[url.protocol]}`) return false
  // Parsed with the Origin's scheme, the Host header loses the default port of that scheme, as the Origin does.
  return url.host === parse(`${url.protocol}//${host}`)?.host
}

const DEFAULT_PORTS: Readonly<Record<string, number>> = { 'http:': 80, 'https:': 443 }

/** A name or an address, and perhaps a port (RFC 9110, section 7.2). No comma: two hosts that were joined are none. */
const HOST = /^(?:[\w.~!$&'()*+;=%-]+|\[[\da-f:.]+\])(?::\d*)?$/i

/** The last one that was: nearly all requests to a server name the same. */
let known = ''

/** Whether a `Host` header is well-formed. */
export function isHost (host: string): boolean {
  if (host === known && known !== '') return true
  if (!HOST.test(host)) return false
  known = host
  return true
}

function parseExact (entry: string): string {
  // A sandboxed frame or a local file sends "null". Any page can do so, which is why it has to be named.
  if (entry === 'null') return entry
  const url = parse(entry)
  // The origin of a scheme that is not the web's, such as an app's own, is always "null". A host with a port, as in
  // `localhost:3000`, is a URL as well: its name counts as the scheme.
  const isOrigin = url !== null && (url.origin === 'null' ? OTHER_SCHEME.test(entry) : url.origin === entry && /^https?:$/.test(url.protocol))
  if (!isOrigin) {
    const meant = meantOrigin(entry)
    throw new TypeError(`"${entry}" is not an origin like https://example.com${meant === null ? '' : `; did you mean "${meant}"?`}`)
  }
  return entry
}

/** What was probably meant: the same with a page's scheme, or without a path. */
function meantOrigin (entry: string): string | null {
  const url = parse(entry.includes('://') ? entry.replace(/^ws/i, 'http') : `${/^localhost\b/i.test(entry) ? 'http' : 'https'}://${entry}`)
  return url === null || url.origin === 'null' ? null : url.origin
}

function parseWildcard (entry: string): { start: string, end: string } {
  const [start = '', end = '', ...more] = entry.split('*')
  const url = parse(start + 'x' + end)
  if (more.length > 0 || !/^https?:\/\/$/.test(start) || !end.startsWith('.') || url?.origin !== start + 'x' + end) {
    const hint = entry === '*' ? ': it would let any page connect. Name your origins, or give a function' : ''
    throw new TypeError(`"${entry}" is not a wildcard like https://*.example.com${hint}`)
  }
  return { start, end }
}

function isSubdomain (labels: string): boolean {
  return /^[a-z\d_-]+(?:\.[a-z\d_-]+)*$/.test(labels)
}

function parse (url: string): URL | null {
  return URL.canParse(url) ? new URL(url) : null
}
