/** Letters, digits, `-` and `_` between dots: what a `*` stands for. */
const SUBDOMAIN = '[a-z\\d_-]+(?:\\.[a-z\\d_-]+)*'

/**
 * Makes the check of an Origin header: the page is of the host that was asked, or of the list.
 *
 * @param allowed `https://app.example.com`, `https://*.example.com` (any subdomain, not the domain itself) or `null`
 */
export function createOriginCheck (allowed: readonly string[] = []): (origin: string, host: string) => boolean {
  const patterns = allowed.map(entry =>
    new RegExp(`^${entry.replace(/[.+?^$(){}|[\]\\]/g, '\\$&').replace('*', SUBDOMAIN)}$`))
  return (origin, host) => isOwn(origin, host) || patterns.some(pattern => pattern.test(origin))
}

function isOwn (origin: string, host: string): boolean {
  return URL.canParse(origin) && new URL(origin).host === host
}
