/** What a token's header must say. */
export interface HeaderRules {
  /** Accepted `alg` values; `undefined` accepts every one. */
  algorithms: readonly string[] | undefined
  /** Required `typ` (RFC 8725, section 3.11); `undefined` accepts every one. */
  typ: string | undefined
}

/** Why a header is refused; for the log, not for clients. */
export type HeaderProblem = { alg: string } | { typ: string } | { crit: true }

interface Header {
  alg?: unknown
  typ?: unknown
  crit?: unknown
}

/** Tokens of one issuer have few different headers; more than this many are not remembered. */
const MAX_KNOWN = 16

/** Makes the check of headers whose signature is valid. */
export function createHeaderCheck ({ algorithms, typ }: HeaderRules): (token: string) => HeaderProblem | null {
  const known = new Set<string>()
  const type = typ === undefined ? undefined : mediaType(typ)
  return token => {
    const text = token.slice(0, token.indexOf('.'))
    if (known.has(text)) return null
    const header = parse(text)
    if (algorithms !== undefined && !algorithms.includes(header.alg as string)) return { alg: String(header.alg) }
    if (type !== undefined && (typeof header.typ !== 'string' || mediaType(header.typ) !== type)) return { typ: String(header.typ) }
    // RFC 7515, section 4.1.11: a list that is not empty. fast-jwt ignores one that is false, null, 0 or ''.
    if (Object.hasOwn(header, 'crit') && !header.crit) return { crit: true }
    if (known.size < MAX_KNOWN) known.add(text)
    return null
  }
}

function parse (text: string): Header {
  try {
    return JSON.parse(Buffer.from(text, 'base64url').toString()) as Header
  } catch {
    // A function of the application's may have accepted something else than a JWT.
    return {}
  }
}

/** RFC 7515, section 4.1.9: case does not count, and `application/` may be left out. */
function mediaType (typ: string): string {
  return typ.toLowerCase().replace(/^application\//, '')
}
