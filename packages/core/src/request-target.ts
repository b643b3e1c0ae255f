import type { FastifyInstance } from 'fastify'

/** A request as Node has it; `originalUrl` is what `rewriteUrl` was given. */
export interface TargetSource {
  url?: string | undefined
  originalUrl?: string | undefined
}

/**
 * Whether a request target has neither a fragment nor user information, which no target has (RFC 9112, section 3.2; RFC
 * 9110, section 4.2.4). Fastify's router takes what follows a `#` for the query, and ignores user information.
 */
export function isPlainTarget ({ url = '', originalUrl }: TargetSource): boolean {
  return isPlain(url) && (originalUrl === undefined || isPlain(originalUrl))
}

function isPlain (target: string): boolean {
  return !target.includes('#') && (target.charCodeAt(0) === SLASH || !AUTHORITY.exec(target)?.[1]?.includes('@'))
}

const SLASH = 0x2f

/** `http://host/…`, the absolute form (RFC 9112, section 3.2.2). */
const AUTHORITY = /^[a-z][a-z\d+.-]*:\/\/([^/?#]*)/i

/** The authority of a target in absolute form; `undefined` for one that is a path, as nearly all are. */
export function authorityOf ({ url = '' }: TargetSource): string | undefined {
  return url.charCodeAt(0) === SLASH ? undefined : AUTHORITY.exec(url)?.[1]
}

/**
 * Makes the check whether a target's query begins with `;` and not with `?`, which it does only with Fastify's option
 * `useSemicolonDelimiter`. A credential in such a query is not where it belongs.
 */
export function createSemicolonCheck ({ initialConfig }: Pick<FastifyInstance, 'initialConfig'>): (target: TargetSource) => boolean {
  const { useSemicolonDelimiter, routerOptions } = initialConfig as WithRouterOptions
  const splits = useSemicolonDelimiter === true || routerOptions?.useSemicolonDelimiter === true
  return splits ? ({ url = '' }) => /^[^?;]*;/.test(url) : () => false
}

interface WithRouterOptions {
  useSemicolonDelimiter?: boolean
  routerOptions?: { useSemicolonDelimiter?: boolean }
}
