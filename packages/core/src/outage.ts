/** Codes of errors that say that somebody could not be asked: of Node, undici and TLS, of key look-ups, and of drivers. */
const CODES = [
  /^(?:E(?:CONN|PIPE$|PROTO$|NOTFOUND$|NOTCONN$|TIME(?:DOUT|OUT)$|AI_|HOST|NET|ADDR|MFILE$|NFILE$|NOBUFS$|OPENBREAKER$)|UND_ERR_|HPE_)/,
  /^ERR_(?:SOCKET_|TLS_|SSL_|HTTP2_|NETWORK$|BAD_RESPONSE$)/,
  /^(?:CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|ERR_TLS_)/,
  /^FAST_JWT_KEY_FETCHING_ERROR$/, /^ERR_JWKS_(?:TIMEOUT|INVALID)$/, /^ERR_JOSE_GENERIC$/,
  /^(?:JWKS_REQUEST_FAILED|OPENID_CONFIGURATION_REQUEST_FAILED|NO_JWKS|NO_JWKS_URI)$/,
  // PostgreSQL, appendix A, classes 08, 53, 57 and 58; postgres.js; mysql2; SQLite; Prisma.
  /^(?:08|53|57|58)[\dA-Z]{3}$/, /^CONNECT(?:ION_(?:CLOSED|ENDED|DESTROYED)|_TIMEOUT)$/, /^(?:PROTOCOL_|ER_|SQLITE_)/, /^P(?:1\d{3}|20(?:24|28|34|37))$/
]

/** Names of errors of an AbortSignal, of HTTP clients, and of drivers of databases, which speak of no token. */
const NAMES = [
  /^(?:Abort|Timeout|Fetch|MaxRetriesPerRequest|ClusterAllFailed|Reply|Knex\w*)Error$/,
  /^(?:Mongo|Mongoose|Postgres)\w*Error$/,
  // Others of Prisma and Sequelize are answers: no such record, not unique.
  /^Prisma\w*(?:Initialization|RustPanic|UnknownRequest)Error$/, /^Sequelize(?:Connection\w*|Host\w*|AccessDenied|InvalidConnection|Database|Timeout)?Error$/,
  /^(?:ClientClosed|ClientOffline|DisconnectsClient|SocketClosedUnexpectedly|SocketTimeout|ConnectionTimeout|ReconnectStrategy)Error$/
]

/** Messages of errors without code and name: of `fetch`, and of pg. */
const MESSAGES = [/^fetch failed$/, /^Connection terminated\b/, /^timeout exceeded when trying to connect$/, /^Query read timeout$/, /^Connection is closed\.$/, /^Stream isn't writeable and enableOfflineQueue/, /\bnot queryable$/]

/** Statuses below 500 with which a server says that it did not look at the question. */
const LATER: readonly number[] = [408, 421, 425, 429]

/** How many errors are looked at that have caused each other. */
const MAX_CAUSES = 5

interface Thrown {
  code?: unknown
  statusCode?: unknown
  status?: unknown
  response?: { status?: unknown, statusCode?: unknown } | null
  name?: unknown
  message?: unknown
  syscall?: unknown
  cause?: unknown
  errors?: unknown
}

/** The HTTP status that an error names, if it is one of an error. */
export function errorStatus (error: unknown): number | undefined {
  const { statusCode } = toObject(error)
  return isErrorStatus(statusCode) ? statusCode : undefined
}

/**
 * Whether an error, or what has caused it, says that somebody could not be asked: a key server, a database, an authority. It
 * then says nothing about a token or a user.
 */
export function isOutage (error: unknown): boolean {
  try {
    return isLater(error) || isSilence(error, 0)
  } catch {
    // A member of it throws when it is read.
    return false
  }
}

/**
 * Whether an error that a hook has thrown is that of somebody who could not be asked, and so has to become a status of its own.
 * A status that the error names is the application's word, unless something else was the cause.
 */
export function isUnanswered (error: unknown): boolean {
  try {
    const status = errorStatus(error)
    return status === undefined ? isOutage(error) : status < 500 && isSilence(error, 0)
  } catch {
    return false
  }
}

function isLater (error: unknown): boolean {
  const { statusCode, status, response } = toObject(error)
  return [statusCode, status, response?.status, response?.statusCode].some(status => isErrorStatus(status) && (status >= 500 || LATER.includes(status)))
}

function isSilence (error: unknown, depth: number): boolean {
  const { code, name, message, syscall, cause, errors } = toObject(error)
  const isNamed = ([[code, CODES], [name, NAMES], [message, MESSAGES]] as const)
    .some(([text, patterns]) => typeof text === 'string' && patterns.some(pattern => pattern.test(text)))
  // An error of the system is what a call has ended with.
  if (isNamed || typeof syscall === 'string') return true
  if (depth >= MAX_CAUSES) return false
  return [cause, ...Array.isArray(errors) ? errors.slice(0, MAX_CAUSES) : []]
    .some(cause => cause !== undefined && (isLater(cause) || isSilence(cause, depth + 1)))
}

function isErrorStatus (status: unknown): status is number {
  return Number.isInteger(status) && status as number >= 400 && status as number <= 599
}

/** Anything may be thrown. */
export function toObject (error: unknown): Thrown {
  return error ?? {}
}
