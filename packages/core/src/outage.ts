import { CASSANDRA, CODES, GRPC, HTTP_NAMES, MESSAGES, MONGO_ANSWERS, MONGO_SERVER, NAMES, REASONS, REDIS_AWAY, REDIS_REPLY, SQLITE } from './outage-signs.js'
import { peek } from './readable-error.js'

/** Statuses below 500 with which a server says that it did not look at the question. */
const LATER: readonly number[] = [408, 421, 425, 429]

/** How many errors are looked at that have caused each other. */
const MAX_CAUSES = 5

/** Members in which errors keep what has caused them: of the language, and of the libraries that are older than it. */
const CAUSES = ['cause', 'original', 'originalError', 'socketError', 'driverError', 'inner', 'previous', 'networkError', 'lastNodeError'] as const

interface Thrown extends Partial<Record<typeof CAUSES[number], unknown>> {
  code?: unknown
  statusCode?: unknown
  status?: unknown
  response?: { status?: unknown, statusCode?: unknown } | null
  /** Of the AWS SDK, and of Boom. */
  $metadata?: { httpStatusCode?: unknown } | null
  $fault?: unknown
  $retryable?: unknown
  output?: { statusCode?: unknown } | null
  name?: unknown
  message?: unknown
  syscall?: unknown
  errors?: unknown
  reason?: unknown
  details?: unknown
  rawMessage?: unknown
  sqlState?: unknown
  errno?: unknown
  errcode?: unknown
  errorCode?: unknown
  fatal?: unknown
  isEndpointUnavailable?: unknown
}

/** The HTTP status that an error names, if it is one of an error. */
export function errorStatus (error: unknown): number | undefined {
  const statusCode = peek(error, 'statusCode')
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
  const thrown = toObject(error)
  const { $fault, $retryable } = thrown
  return $fault === 'server' || ($retryable !== undefined && $retryable !== null && $retryable !== false) ||
    statusesOf(thrown).some(status => isErrorStatus(status) && (status >= 500 || LATER.includes(status)))
}

/** What may be the status of an HTTP response: some clients have it in `code`, which is no status where it is below 400. */
function statusesOf ({ statusCode, status, response, $metadata, output, code }: Thrown): unknown[] {
  return [statusCode, status, response?.status, response?.statusCode, $metadata?.httpStatusCode, output?.statusCode, code]
}

function isSilence (error: unknown, depth: number): boolean {
  const thrown = toObject(error)
  if (isSign(thrown)) return true
  if (depth >= MAX_CAUSES) return false
  const { errors } = thrown
  return [...CAUSES.map(member => thrown[member]), ...Array.isArray(errors) ? errors.slice(0, MAX_CAUSES) : []]
    .some(cause => cause !== undefined && (isLater(cause) || isSilence(cause, depth + 1)))
}

/** Whether an error by itself looks like that of somebody who could not be asked. */
function isSign (thrown: Thrown): boolean {
  const { code, name, message, syscall, reason, details, rawMessage, sqlState, errno, errcode, errorCode, fatal } = thrown
  // Many libraries name only the class.
  const called = name === undefined || name === 'Error' ? thrown.constructor?.name : name
  // An error of the system is what a call has ended with.
  if (typeof syscall === 'string') return true
  if (matches(called, [REDIS_REPLY])) return matches(message, [REDIS_AWAY])
  if (matches(called, [MONGO_SERVER])) return !MONGO_ANSWERS.includes(code)
  if ([code, sqlState].some(code => matches(code, CODES)) || [reason, errorCode].some(reason => matches(reason, [REASONS])) || matches(message, MESSAGES)) return true
  if (matches(called, NAMES)) return true
  if (matches(called, [HTTP_NAMES]) && !statusesOf(thrown).some(status => isErrorStatus(status))) return true
  if (GRPC.includes(code) && [details, rawMessage].some(text => typeof text === 'string')) return true
  if (name === 'ResponseError' && CASSANDRA.includes(code)) return true
  if (code === 'ERR_SQLITE_ERROR' && SQLITE.includes(Number(errcode) & 0xff)) return true
  // Drivers of MySQL say so of errors after which the connection is of no more use.
  return (fatal === true && (typeof errno === 'number' || typeof code === 'string')) || thrown.isEndpointUnavailable === true
}

function matches (text: unknown, patterns: readonly RegExp[]): boolean {
  return typeof text === 'string' && patterns.some(pattern => pattern.test(text))
}

function isErrorStatus (status: unknown): status is number {
  return Number.isInteger(status) && status as number >= 400 && status as number <= 599
}

/** Anything may be thrown. */
export function toObject (error: unknown): Thrown {
  return error ?? {}
}
