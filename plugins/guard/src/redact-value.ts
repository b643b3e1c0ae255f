import { BEARER_PROTOCOL_PREFIX, TICKET_PROTOCOL_PREFIX } from '@fastify-airlock/protocol'
import { REDACTED, redactUrl } from './logging.js'

/** Headers that are nothing but a credential, in lower case. */
const SECRET_HEADERS: ReadonlySet<string> = new Set(['authorization', 'proxy-authorization', 'cookie', 'set-cookie'])

const PREFIXES = [TICKET_PROTOCOL_PREFIX, BEARER_PROTOCOL_PREFIX].join('|').replaceAll('.', '\\.')

/** Credentials that are recognized wherever they stand. */
const CREDENTIALS: ReadonlyArray<[pattern: RegExp, replacement: string]> = [
  // A JWT in its compact form (RFC 7515, section 7.1): its header is JSON, which begins with `{"`.
  [/\beyJ[\w-]+\.[\w-]+\.[\w-]*/g, REDACTED],
  // Subprotocols that carry a credential.
  [new RegExp(`(?<![\\w.-])(${PREFIXES})[\\w.~+/=-]{16,}`, 'g'), `$1${REDACTED}`],
  // RFC 9110, section 11.4.
  [/\b(Bearer|Basic|DPoP|Digest) +[\w.~+/=-]{8,}/gi, `$1 ${REDACTED}`]
]

/** How deep a value is looked at. Nothing that is logged on purpose is deeper. */
const MAX_DEPTH = 32

/**
 * Copies a value as `JSON.stringify` would see it, without credentials: values of secret parameters in each word that may
 * be a URL, secret headers, and members with the name of a secret parameter.
 *
 * @param secrets names of parameters, in lower case
 */
export function redactValue (value: unknown, secrets: readonly string[], depth = 0): unknown {
  if (typeof value === 'string') return redactText(value, secrets)
  if (typeof value !== 'object' || value === null) return value
  // A circle is at some time too deep.
  if (depth === MAX_DEPTH) return REDACTED
  const { toJSON } = value as { toJSON?: unknown }
  if (typeof toJSON === 'function') return redactValue(toJSON.call(value), secrets, depth + 1)
  const redact = (name: unknown, member: unknown): unknown =>
    isSecret(name, secrets) && isCredential(member) ? REDACTED : redactValue(member, secrets, depth + 1)
  // In Node's `rawHeaders`, each value stands after its name.
  if (Array.isArray(value)) return value.map((item, index) => redact(value[index - 1], item))
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, redact(name, member)]))
}

/** How deep a value is looked at that refers to itself: everything else in it is as large as its JSON. */
const MAX_DEPTH_OF_CIRCLES = 3

/**
 * Redacts a member of a log line that no serializer has made small: it may be anything, a request or a socket too.
 *
 * @param name of the member; one of a secret is replaced as a whole
 */
export function redactMember (name: string, value: unknown, secrets: readonly string[]): unknown {
  if (isSecret(name, secrets) && isCredential(value)) return REDACTED
  return redactValue(value, secrets, typeof value === 'object' && value !== null && !hasJson(value) ? MAX_DEPTH - MAX_DEPTH_OF_CIRCLES : 0)
}

function hasJson (value: object): boolean {
  try {
    JSON.stringify(value)
    return true
  } catch {
    return false
  }
}

function redactText (text: string, secrets: readonly string[]): string {
  const withoutParameters = text.includes('=') || text.includes('@') ? text.replace(/\S+/g, word => redactUrl(word, secrets)) : text
  return CREDENTIALS.reduce((clean, [pattern, replacement]) => clean.replace(pattern, replacement), withoutParameters)
}

function isSecret (name: unknown, secrets: readonly string[]): boolean {
  if (typeof name !== 'string') return false
  const lower = name.toLowerCase()
  return SECRET_HEADERS.has(lower) || secrets.includes(lower)
}

function isCredential (value: unknown): boolean {
  return typeof value === 'string' || typeof value === 'number' || Array.isArray(value)
}
