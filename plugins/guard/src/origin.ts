/** Decides whether an Origin header is allowed. */
export type OriginCheck = (origin: string, host: string) => boolean | Promise<boolean>

/** An entry of an allow-list: an exact origin, a wildcard for subdomains, or a function of the origin. */
export type AllowedOrigin = string | ((origin: string) => boolean | Promise<boolean>)

/**
 * Makes the check of an allow-list. Without a list, the Origin's host has to be the host of the request.
 *
 * The guard does this for upgrades. Routes that change something and take a cookie as the login need it as well:
 * `SameSite` ignores ports, and subdomains are the same site.
 *
 * @param allowed `https://app.example.com` (exact), `https://*.example.com` (any subdomain, not the domain itself), or a function
 * @returns a function of the Origin header and of `request.host`; it is synchronous if no entry is a function
 * @throws {@link TypeError} when an entry is no origin
 */
export function createOriginCheck (allowed?: readonly string[]): (origin: string, host: string) => boolean
export function createOriginCheck (allowed?: readonly AllowedOrigin[]): OriginCheck
export function createOriginCheck (allowed?: readonly AllowedOrigin[]): OriginCheck {
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
      if (await allows(origin) === true) return true
    }
    return false
  }
}

function isSameHost (origin: string, host: string): boolean {
  // The common case. Parsing URLs is most of the cost of this check.
  if (origin === `https://${host}` || origin === `http://${host}`) return host !== ''
  const url = parse(origin)
  // Parsed with the Origin's scheme, the Host header loses the default port of that scheme, as the Origin does.
  return url !== null && url.host === parse(`${url.protocol}//${host}`)?.host
}

/** `capacitor://localhost`, `chrome-extension://<id>`, and the `file://` of old web views. */
const APP_ORIGIN = /^[a-z][a-z\d+.-]*:\/\/[^/?#\s]*$/

function parseExact (entry: string): string {
  // A sandboxed frame or a local file sends "null". Any page can do so, which is why it has to be named.
  if (entry === 'null') return entry
  const url = parse(entry)
  // The origin of a scheme that is not the web's, such as an app's own, is always "null". Without the slashes,
  // "localhost:3000" would be of the scheme "localhost".
  if (url === null || (url.origin === 'null' ? !APP_ORIGIN.test(entry) : url.origin !== entry)) throw new TypeError(`"${entry}" is not an origin like https://example.com`)
  return entry
}

function parseWildcard (entry: string): { start: string, end: string } {
  const [start = '', end = '', ...more] = entry.split('*')
  const url = parse(start + 'x' + end)
  if (more.length > 0 || !/^https?:\/\/$/.test(start) || !end.startsWith('.') || url?.origin !== start + 'x' + end) {
    throw new TypeError(`"${entry}" is not a wildcard like https://*.example.com`)
  }
  return { start, end }
}

function isSubdomain (labels: string): boolean {
  return /^[a-z\d_-]+(?:\.[a-z\d_-]+)*$/.test(labels)
}

function parse (url: string): URL | null {
  return URL.canParse(url) ? new URL(url) : null
}
