/** Decides about an Origin header that is there. */
export type OriginCheck = (origin: string, host: string) => boolean | Promise<boolean>

/** What an allow-list may hold: an exact origin, a wildcard subdomain, or a function of the origin. */
export type AllowedOrigin = string | ((origin: string) => boolean | Promise<boolean>)

/**
 * Makes the check of an allow-list. Without one, the Origin's host has to be the one that was asked.
 *
 * The guard does this for upgrades. Routes that change something for whoever has a cookie need it as well: `SameSite`
 * knows no ports, and subdomains are the same site.
 *
 * @param allowed `https://app.example.com` (exact), `https://*.example.com` (any subdomain, not the domain itself), or a function
 * @returns a function of the Origin header and of `request.host`; it answers at once where no entry is a function
 * @throws TypeError where an entry is no origin
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
  // Nearly always; parsing four URLs is most of what this check costs.
  if (origin === `https://${host}` || origin === `http://${host}`) return host !== ''
  const url = parse(origin)
  // Parsed under the Origin's scheme, the Host header loses that scheme's default port like the Origin does.
  return url !== null && url.host === parse(`${url.protocol}//${host}`)?.host
}

function parseExact (entry: string): string {
  // A sandboxed frame or a local file says "null". Anybody can, so it has to be asked for by name.
  if (entry === 'null') return entry
  const url = parse(entry)
  // Schemes that are not the web's, such as an app's own, have no origin to compare with.
  if (url === null || (url.origin !== 'null' && url.origin !== entry)) throw new TypeError(`"${entry}" is not an origin like https://example.com`)
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
